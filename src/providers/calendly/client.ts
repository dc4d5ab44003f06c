import { type Token, tokenOption } from '../shared/credential.ts'
import { type CallInit, ProviderClient, segment } from '../shared/provider-client.ts'
import type { ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { calendlyProvider } from './agent.ts'
import type {
  CalendlyBooking,
  CalendlyEvent,
  CalendlyEventQuery,
  CalendlyInvitee,
  CalendlyInviteeQuery,
  CalendlyPage,
  CalendlyUser,
} from './types.ts'

export interface CalendlyClientOptions extends ProviderOptions {
  /** A personal access token, or what gives the current OAuth token. Required. */
  accessToken: Token
}

/**
 * What applications do most with Calendly, with the preset's resilience; everything else by `request(path, init)`.
 *
 * @example
 * const calendly = createCalendlyClient({ accessToken: token, store })
 * const me = await calendly.currentUser()
 * const { collection } = await calendly.listEvents({ user: me.uri, status: 'active' })
 */
export class CalendlyClient extends ProviderClient {
  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: CalendlyClientOptions) {
    const rest = splitOptions('createCalendlyClient', options, ['accessToken'])
    const token = tokenOption('accessToken', options.accessToken)
    super(calendlyProvider, rest, async () => ({ authorization: `Bearer ${await token()}` }))
  }

  /** The user that the token belongs to. */
  async currentUser(init: CallInit = {}): Promise<CalendlyUser> {
    return (await this.json<{ resource: CalendlyUser }>('GET', '/users/me', init)).resource
  }

  /** A page of scheduled events; the next one with `page_token: pagination.next_page_token`. */
  async listEvents(query: CalendlyEventQuery, init: CallInit = {}): Promise<CalendlyPage<CalendlyEvent>> {
    return this.json('GET', '/scheduled_events', { query, ...init })
  }

  /** @param event the event's id, or its url as `CalendlyEvent.uri` has it */
  async getEvent(event: string, init: CallInit = {}): Promise<CalendlyEvent> {
    return (await this.json<{ resource: CalendlyEvent }>('GET', eventPath(event), init)).resource
  }

  /** A page of an event's invitees; ten requests a minute are allowed. */
  async listInvitees(
    event: string,
    query: CalendlyInviteeQuery = {},
    init: CallInit = {},
  ): Promise<CalendlyPage<CalendlyInvitee>> {
    return this.json('GET', `${eventPath(event)}/invitees`, { query, ...init })
  }

  /** Books an event. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second booking. */
  async createInvitee(booking: CalendlyBooking, init: CallInit = {}): Promise<CalendlyInvitee> {
    return (await this.json<{ resource: CalendlyInvitee }>('POST', '/invitees', { body: booking, ...init }))
      .resource
  }

  /** Cancels an event. Not repeatable: a second cancellation is an error, and may tell the invitee twice. */
  async cancelEvent(event: string, reason = '', init: CallInit = {}): Promise<void> {
    await this.json('POST', `${eventPath(event)}/cancellation`, { body: { reason }, ...init })
  }
}

function eventPath(event: string): string {
  const id =
    typeof event === 'string' ? event.replace(/^https:\/\/api\.calendly\.com\/scheduled_events\//, '') : event
  return `/scheduled_events/${segment('event', id)}`
}

/** Makes a client for Calendly. @see CalendlyClient */
export function createCalendlyClient(options: CalendlyClientOptions): CalendlyClient {
  return new CalendlyClient(options)
}
