import { credentialOption, type Token, tokenOption } from '../shared/credential.ts'
import { type CallInit, ProviderClient, segment } from '../shared/provider-client.ts'
import type { ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { calComProvider } from './agent.ts'
import type {
  CalComBooking,
  CalComBookingQuery,
  CalComNewBooking,
  CalComReschedule,
  CalComSlots,
  CalComSlotsQuery,
} from './types.ts'

/** One of `apiKey`, `accessToken`, or `clientId` with `secretKey`. */
export interface CalComClientOptions extends ProviderOptions {
  /** An API key (`cal_live_...`). */
  apiKey?: string
  /** A managed user's or OAuth token, or what gives the current one. */
  accessToken?: Token
  /** A platform's OAuth client. */
  clientId?: string
  secretKey?: string
  /** `cal-api-version` of every request. Default: the version that each method here was written for. */
  apiVersion?: string
}

const SLOTS_VERSION = '2024-09-04'
const BOOKINGS_VERSION = '2024-08-13'

interface Answer<T> {
  status: string
  data: T
}

/**
 * What applications do most with Cal.com (API v2), with the preset's resilience; everything else by
 * `request(path, init)`, which sends `cal-api-version` only if you give it.
 *
 * @example
 * const cal = createCalComClient({ apiKey: key, store })
 * const slots = await cal.slots({ eventTypeId: 1, start: '2026-12-24', end: '2026-12-25' })
 */
export class CalComClient extends ProviderClient {
  readonly #apiVersion: string | undefined

  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: CalComClientOptions) {
    const own = ['apiKey', 'accessToken', 'clientId', 'secretKey', 'apiVersion'] as const
    const rest = splitOptions('createCalComClient', options, own)
    const version = options.apiVersion
    if (version !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(version)) {
      throw new RangeError(
        `\`apiVersion\` must be a date such as "2024-08-13", got ${JSON.stringify(version)}`,
      )
    }
    super(calComProvider, rest, credentials(options))
    this.#apiVersion = version
  }

  /** Free slots by day. */
  async slots(query: CalComSlotsQuery, init: CallInit = {}): Promise<CalComSlots> {
    return this.#data('GET', '/slots', SLOTS_VERSION, { query, ...init })
  }

  async listBookings(query: CalComBookingQuery = {}, init: CallInit = {}): Promise<CalComBooking[]> {
    return this.#data('GET', '/bookings', BOOKINGS_VERSION, { query, ...init })
  }

  /** Books. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second booking. */
  async createBooking(booking: CalComNewBooking, init: CallInit = {}): Promise<CalComBooking> {
    return this.#data('POST', '/bookings', BOOKINGS_VERSION, { body: booking, ...init })
  }

  /** Cancels a booking. Not repeatable: a second cancellation is an error. */
  async cancelBooking(uid: string, cancellationReason?: string, init: CallInit = {}): Promise<CalComBooking> {
    const body = cancellationReason === undefined ? {} : { cancellationReason }
    return this.#data('POST', `/bookings/${segment('uid', uid)}/cancel`, BOOKINGS_VERSION, { body, ...init })
  }

  /** Moves a booking. Not repeatable: it makes a new booking and cancels the old one. */
  async rescheduleBooking(
    uid: string,
    change: CalComReschedule,
    init: CallInit = {},
  ): Promise<CalComBooking> {
    const path = `/bookings/${segment('uid', uid)}/reschedule`
    return this.#data('POST', path, BOOKINGS_VERSION, { body: change, ...init })
  }

  async #data<T>(method: string, path: string, version: string, sent: object): Promise<T> {
    const headers = { 'cal-api-version': this.#apiVersion ?? version }
    return (await this.json<Answer<T>>(method, path, { headers, ...sent })).data
  }
}

function credentials(options: CalComClientOptions): () => Promise<Record<string, string>> {
  const { apiKey, accessToken, clientId, secretKey } = options
  const given = [apiKey, accessToken, clientId ?? secretKey].filter((one) => one !== undefined).length
  if (given !== 1) {
    throw new TypeError(
      `one of \`apiKey\`, \`accessToken\`, or \`clientId\` with \`secretKey\` must be given, got ${given} of them`,
    )
  }
  if (clientId !== undefined || secretKey !== undefined) {
    const headers = {
      'x-cal-client-id': credentialOption('clientId', clientId),
      'x-cal-secret-key': credentialOption('secretKey', secretKey),
    }
    return () => Promise.resolve(headers)
  }
  const token =
    accessToken !== undefined
      ? tokenOption('accessToken', accessToken)
      : tokenOption('apiKey', credentialOption('apiKey', apiKey))
  return async () => ({ authorization: `Bearer ${await token()}` })
}

/** Makes a client for Cal.com. @see CalComClient */
export function createCalComClient(options: CalComClientOptions): CalComClient {
  return new CalComClient(options)
}
