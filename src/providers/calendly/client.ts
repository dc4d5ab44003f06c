import type { Checks } from '../../checks.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import type { ProviderOptions } from '../kit/agent/provider.ts'
import { type CurrentToken, type Token, tokenOption } from '../kit/client/credential.ts'
import { everyItem } from '../kit/client/pages.ts'
import { type CallInit, ProviderClient } from '../kit/client/provider-client.ts'
import { segment } from '../kit/client/segment.ts'
import { type Found, sameMoment, type Sought, textIn } from '../kit/settle/settle.ts'
import { calendlyProvider } from './agent.ts'
import type {
  CalendlyAvailableTime,
  CalendlyBooking,
  CalendlyEvent,
  CalendlyEventQuery,
  CalendlyEventType,
  CalendlyEventTypeQuery,
  CalendlyInvitee,
  CalendlyInviteeQuery,
  CalendlyNewSubscription,
  CalendlyPage,
  CalendlySchedulingLink,
  CalendlySubscription,
  CalendlySubscriptionQuery,
  CalendlyTimesQuery,
  CalendlyUser,
} from './types.ts'

export interface CalendlyClientOptions extends ProviderOptions {
  /** A personal access token, or what gives the current OAuth token. Required. */
  accessToken: Token
}

const clientChecks: Checks<
  Omit<CalendlyClientOptions, keyof ProviderOptions>,
  { readonly accessToken: CurrentToken }
> = { accessToken: tokenOption }

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
    const { own, rest } = splitOptions('createCalendlyClient', clientChecks, options)
    super(calendlyProvider, rest, async () => ({ authorization: `Bearer ${await own.accessToken()}` }))
  }

  /** The user that the token belongs to. */
  async currentUser(init: CallInit = {}): Promise<CalendlyUser> {
    return this.#resource('GET', '/users/me', init)
  }

  /** A page of scheduled events; the next one with `page_token: pagination.next_page_token`. */
  async listEvents(query: CalendlyEventQuery, init: CallInit = {}): Promise<CalendlyPage<CalendlyEvent>> {
    return this.json('GET', '/scheduled_events', { query, ...init })
  }

  /** All events, page by page; each page is a GET and retried. */
  events(query: CalendlyEventQuery, init: CallInit = {}): AsyncGenerator<CalendlyEvent, void, undefined> {
    return allPages(query, (page) => this.listEvents(page, init))
  }

  /** @param event the event's id, or its url as `CalendlyEvent.uri` has it */
  async getEvent(event: string, init: CallInit = {}): Promise<CalendlyEvent> {
    return this.#resource('GET', eventPath(event), init)
  }

  /**
   * A page of event types, which booking needs. A GET, so it is retried.
   * @see https://developer.calendly.com/api-docs/overview/examples/send-scheduling-link
   */
  async listEventTypes(
    query: CalendlyEventTypeQuery,
    init: CallInit = {},
  ): Promise<CalendlyPage<CalendlyEventType>> {
    return this.json('GET', '/event_types', { query, ...init })
  }

  /** All event types, page by page; each page is a GET and retried. */
  eventTypes(
    query: CalendlyEventTypeQuery,
    init: CallInit = {},
  ): AsyncGenerator<CalendlyEventType, void, undefined> {
    return allPages(query, (page) => this.listEventTypes(page, init))
  }

  /** The free times of an event type, in at most 31 days. A GET, so it is retried. */
  async availableTimes(query: CalendlyTimesQuery, init: CallInit = {}): Promise<CalendlyAvailableTime[]> {
    const path = '/event_type_available_times'
    return (await this.json<{ collection: CalendlyAvailableTime[] }>('GET', path, { query, ...init }))
      .collection
  }

  /**
   * A link by which one booking can be made.
   * Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second link.
   * @param eventType url of the event type
   */
  async createSchedulingLink(eventType: string, init: CallInit = {}): Promise<CalendlySchedulingLink> {
    const body = { max_event_count: 1, owner: eventType, owner_type: 'EventType' }
    return this.#resource('POST', '/scheduling_links', { body, ...init })
  }

  /** A page of an event's invitees. */
  async listInvitees(
    event: string,
    query: CalendlyInviteeQuery = {},
    init: CallInit = {},
  ): Promise<CalendlyPage<CalendlyInvitee>> {
    return this.json('GET', `${eventPath(event)}/invitees`, { query, ...init })
  }

  /** All invitees of an event, page by page; each page is a GET and retried. */
  invitees(
    event: string,
    query: CalendlyInviteeQuery = {},
    init: CallInit = {},
  ): AsyncGenerator<CalendlyInvitee, void, undefined> {
    return allPages(query, (page) => this.listInvitees(event, page, init))
  }

  /**
   * One invitee, with the `reschedule_url` and the `cancel_url` to send on: no endpoint moves an event. A GET, so it is retried.
   * @param invitee the invitee's url, as `CalendlyInvitee.uri` has it
   */
  async getInvitee(invitee: string, init: CallInit = {}): Promise<CalendlyInvitee> {
    const [, event, id] = /\/scheduled_events\/([^/]+)\/invitees\/([^/]+)$/.exec(invitee) ?? []
    if (event === undefined || id === undefined) {
      throw new RangeError(`\`invitee\` must be the url of an invitee, got ${JSON.stringify(invitee)}`)
    }
    return this.#resource('GET', `${eventPath(event)}/invitees/${segment('invitee', id)}`, init)
  }

  /**
   * Books an event: ten a minute, 50 an hour and 100 a day on paid plans other than Enterprise. Needs the scope
   * `scheduled_events:write`. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second booking.
   */
  async createInvitee(booking: CalendlyBooking, init: CallInit = {}): Promise<CalendlyInvitee> {
    return this.#resource('POST', '/invitees', { body: booking, ...init })
  }

  /** Cancels an event. Not repeatable: a second cancellation is an error, and may tell the invitee twice. */
  async cancelEvent(event: string, reason = '', init: CallInit = {}): Promise<void> {
    await this.json('POST', `${eventPath(event)}/cancellation`, { body: { reason }, ...init })
  }

  /** A page of webhook subscriptions. A GET, so it is retried. */
  async listSubscriptions(
    query: CalendlySubscriptionQuery,
    init: CallInit = {},
  ): Promise<CalendlyPage<CalendlySubscription>> {
    return this.json('GET', '/webhook_subscriptions', { query, ...init })
  }

  /**
   * Subscribes a url to events; `signing_key` is what `verifyCalendlyWebhook` needs, and is taken out of dead letters.
   * Not repeatable: a second subscription of a user with the same url is refused.
   * @see https://developer.calendly.com/docs/webhooks/overview
   */
  async createSubscription(
    subscription: CalendlyNewSubscription,
    init: CallInit = {},
  ): Promise<CalendlySubscription> {
    return this.#resource('POST', '/webhook_subscriptions', { body: subscription, ...init })
  }

  /** Ends a subscription. A DELETE, so it is retried. @param subscription its url or id */
  async deleteSubscription(subscription: string, init: CallInit = {}): Promise<void> {
    const id = lastSegment('subscription', subscription)
    await this.json('DELETE', `/webhook_subscriptions/${id}`, init)
  }

  async #resource<T>(method: string, path: string, sent: object): Promise<T> {
    return (await this.json<{ resource: T }>(method, path, sent)).resource
  }

  /** A booking by its invitee, event type and start; a cancellation by what its event says. */
  protected override async lookUp({ method, path, body, since }: Sought): Promise<Found> {
    if (method !== 'POST') return undefined
    const [, canceled] = /^\/scheduled_events\/([^/]+)\/cancellation$/.exec(path) ?? []
    if (canceled !== undefined) {
      const event = await this.getEvent(decodeURIComponent(canceled))
      return event.status === 'canceled' ? 'done' : 'not-done'
    }
    const email = textIn(body['invitee'], 'email')
    const start = textIn(body, 'start_time')
    if (path !== '/invitees' || email === undefined || start === undefined) return undefined
    const { current_organization: organization } = await this.currentUser()
    const from = new Date(Date.parse(start) - 1_000).toISOString()
    const { collection } = await this.listEvents({
      organization,
      invitee_email: email,
      min_start_time: from,
      sort: 'start_time:asc',
      count: 100,
    })
    const type = textIn(body, 'event_type')
    // one that was made since and cancelled has arrived too: a second one would not be what anybody wants
    const same = collection.some(
      (one) =>
        sameMoment(one.start_time, start) &&
        (type === undefined || one.event_type === type) &&
        (one.status === 'active' || Date.parse(one.created_at) >= since),
    )
    return same ? 'done' : 'not-done'
  }
}

function eventPath(event: string): string {
  return `/scheduled_events/${lastSegment('event', event)}`
}

/** The id of what is given by its id or by its url. */
function lastSegment(name: string, given: string): string {
  const id = typeof given === 'string' ? given.replace(/^https:\/\/api\.calendly\.com\/[a-z_]+\//, '') : given
  return segment(name, id)
}

function allPages<Item, Query extends { page_token?: string | undefined }>(
  query: Query,
  page: (query: Query) => Promise<CalendlyPage<Item>>,
): AsyncGenerator<Item, void, undefined> {
  return everyItem(async (token: string | undefined) => {
    const { collection, pagination } = await page(
      token === undefined ? query : { ...query, page_token: token },
    )
    return { items: collection, next: pagination.next_page_token ?? undefined }
  })
}

/** Makes a client for Calendly. @see CalendlyClient */
export function createCalendlyClient(options: CalendlyClientOptions): CalendlyClient {
  return new CalendlyClient(options)
}
