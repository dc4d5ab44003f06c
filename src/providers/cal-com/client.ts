import { type Checks, optional } from '../../checks.ts'
import type { RequestOptions } from '../../client/resilient-http-client.ts'
import { stringOption } from '../../options.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import type { ProviderOptions } from '../kit/agent/provider.ts'
import { credentialOption, type CurrentToken, type Token, tokenOption } from '../kit/client/credential.ts'
import { everyItem } from '../kit/client/pages.ts'
import { type CallInit, ProviderClient } from '../kit/client/provider-client.ts'
import { segment } from '../kit/client/segment.ts'
import { type Found, sameMoment, type Sought, textIn } from '../kit/settle/settle.ts'
import { calComProvider } from './agent.ts'
import type {
  CalComBooking,
  CalComBookingQuery,
  CalComEventType,
  CalComEventTypeQuery,
  CalComNewBooking,
  CalComPage,
  CalComPagination,
  CalComReschedule,
  CalComReservation,
  CalComSlots,
  CalComSlotsQuery,
  CalComUser,
} from './types.ts'

/** One of `apiKey`, `accessToken`, or `clientId` with `secretKey`. */
export interface CalComClientOptions extends ProviderOptions {
  /** An API key (`cal_live_...`). */
  apiKey?: string | undefined
  /** A managed user's or OAuth token, or what gives the current one. */
  accessToken?: Token | undefined
  /** A platform's OAuth client. */
  clientId?: string | undefined
  secretKey?: string | undefined
  /** `cal-api-version` of every request. Default: the version that each method here was written for. */
  apiVersion?: string | undefined
}

interface OwnPolicy {
  readonly apiKey: string | undefined
  readonly accessToken: CurrentToken | undefined
  readonly clientId: string | undefined
  readonly secretKey: string | undefined
  readonly apiVersion: string | undefined
}

const clientChecks: Checks<Omit<CalComClientOptions, keyof ProviderOptions>, OwnPolicy> = {
  apiKey: optional(credentialOption),
  accessToken: optional(tokenOption),
  clientId: optional(credentialOption),
  secretKey: optional(credentialOption),
  apiVersion: optional(apiVersionOption),
}

function apiVersionOption(name: string, value: unknown): string {
  const version = stringOption(name, value)
  if (/^\d{4}-\d{2}-\d{2}$/.test(version)) return version
  throw new RangeError(`\`${name}\` must be a date such as "2024-08-13", got ${JSON.stringify(version)}`)
}

/** Endpoints that need a version, and which one: without it Cal.com answers 404, at some of them 500. */
const versions: readonly (readonly [RegExp, string])[] = [
  [/^\/slots\b/, '2024-09-04'],
  [/^\/bookings\b/, '2024-08-13'],
  [/^\/event-types\b/, '2024-06-14'],
  [/^\/schedules\b/, '2024-06-11'],
]

const SLOTS_VERSION = '2024-09-04'
const BOOKINGS_VERSION = '2024-08-13'
const EVENT_TYPES_VERSION = '2024-06-14'

interface Answer<T> {
  status: string
  data: T
  pagination?: CalComPagination
}

/**
 * What applications do most with Cal.com (API v2), with the preset's resilience; everything else by
 * `request(path, init)`, which adds the `cal-api-version` that bookings, slots, event types and schedules need.
 *
 * @example
 * const cal = createCalComClient({ apiKey: key, store })
 * const slots = await cal.slots({ eventTypeId: 1, start: '2026-12-24', end: '2026-12-25' })
 */
export class CalComClient extends ProviderClient {
  readonly #apiVersion: string | undefined

  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: CalComClientOptions) {
    const { own, rest } = splitOptions('createCalComClient', clientChecks, options)
    super(calComProvider, rest, credentials(own))
    this.#apiVersion = own.apiVersion
  }

  /** Any endpoint. Where it needs a `cal-api-version` and `init` has none, that of `apiVersion` or the usual one is sent. */
  override async request(path: string | URL, init: RequestOptions = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    const version = this.#apiVersion ?? versions.find(([route]) => route.test(routeOf(path)))?.[1]
    if (version !== undefined && !headers.has('cal-api-version')) headers.set('cal-api-version', version)
    return super.request(path, { ...init, headers })
  }

  /** The user that the key or token belongs to. A GET, so it is retried. */
  async me(init: CallInit = {}): Promise<CalComUser> {
    return (await this.json<Answer<CalComUser>>('GET', '/me', init)).data
  }

  /** Event types, which slots and bookings need. A GET, so it is retried. */
  async listEventTypes(query: CalComEventTypeQuery = {}, init: CallInit = {}): Promise<CalComEventType[]> {
    return this.#data('GET', '/event-types', EVENT_TYPES_VERSION, { query, ...init })
  }

  /**
   * Keeps a slot for whoever is about to book it; it ends by itself, after five minutes unless told otherwise.
   * Not repeatable: the first reservation would stand in the way of the second.
   * @param slotStart ISO 8601, UTC
   */
  async reserveSlot(
    eventTypeId: number,
    slotStart: string,
    options: { slotDuration?: number | undefined; reservationDuration?: number | undefined } & CallInit = {},
  ): Promise<CalComReservation> {
    const { slotDuration, reservationDuration, ...init } = options
    const body = { eventTypeId, slotStart, slotDuration, reservationDuration }
    return this.#data('POST', '/slots/reservations', SLOTS_VERSION, { body, ...init })
  }

  /** Gives a kept slot back. A DELETE, so it is retried. */
  async releaseSlot(reservationUid: string, init: CallInit = {}): Promise<void> {
    const path = `/slots/reservations/${segment('reservationUid', reservationUid)}`
    await this.#answer('DELETE', path, SLOTS_VERSION, init)
  }

  /** Free slots by day. */
  async slots(query: CalComSlotsQuery, init: CallInit = {}): Promise<CalComSlots> {
    return this.#data('GET', '/slots', SLOTS_VERSION, { query, ...init })
  }

  /** A page of bookings; there are more where `pagination.hasNextPage` says so, behind `skip`. */
  async listBookings(
    query: CalComBookingQuery = {},
    init: CallInit = {},
  ): Promise<CalComPage<CalComBooking>> {
    const { data, pagination } = await this.#answer<CalComBooking[]>('GET', '/bookings', BOOKINGS_VERSION, {
      query,
      ...init,
    })
    return { data, pagination }
  }

  /** All bookings, page by page; each page is a GET and retried. */
  bookings(
    query: CalComBookingQuery = {},
    init: CallInit = {},
  ): AsyncGenerator<CalComBooking, void, undefined> {
    return everyItem(async (from: number | undefined) => {
      const skip = from ?? query.skip ?? 0
      const { data, pagination } = await this.listBookings({ ...query, skip }, init)
      // an empty page that promises more would promise it for ever
      const more = pagination?.hasNextPage === true && data.length > 0
      return { items: data, next: more ? skip + data.length : undefined }
    })
  }

  /** A booking. A GET, so it is retried. */
  async getBooking(uid: string, init: CallInit = {}): Promise<CalComBooking> {
    return this.#data('GET', `/bookings/${segment('uid', uid)}`, BOOKINGS_VERSION, init)
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

  /** Accepts a booking that waits for it. Not repeatable: a second time is an error. */
  async confirmBooking(uid: string, init: CallInit = {}): Promise<CalComBooking> {
    return this.#data('POST', `/bookings/${segment('uid', uid)}/confirm`, BOOKINGS_VERSION, init)
  }

  /** Refuses a booking that waits for an answer. Not repeatable: a second time is an error. */
  async declineBooking(uid: string, reason?: string, init: CallInit = {}): Promise<CalComBooking> {
    const body = reason === undefined ? {} : { reason }
    return this.#data('POST', `/bookings/${segment('uid', uid)}/decline`, BOOKINGS_VERSION, { body, ...init })
  }

  /** A create by its attendee and start; what changes a booking by what the booking says. */
  protected override async lookUp({ method, path, body, since }: Sought): Promise<Found> {
    if (method !== 'POST') return undefined
    const [, uid, change] = /\/bookings\/([^/]+)\/(cancel|confirm|decline|reschedule)$/.exec(path) ?? []
    if (uid !== undefined && change !== undefined) {
      return changed(change, await this.getBooking(decodeURIComponent(uid)))
    }
    const email = textIn(body['attendee'], 'email')
    const start = textIn(body, 'start')
    if (!path.endsWith('/bookings') || email === undefined || start === undefined) return undefined
    const afterStart = new Date(Date.parse(start) - 1_000).toISOString()
    const { data } = await this.listBookings({ attendeeEmail: email, afterStart, take: 100 })
    const same = data.some(
      (one) =>
        sameMoment(one.start, start) &&
        // one that was made since and cancelled has arrived too
        (isOpen(one) || Date.parse(one.createdAt ?? '') >= since) &&
        (body['eventTypeId'] === undefined || one.eventTypeId === body['eventTypeId']),
    )
    return same ? 'done' : 'not-done'
  }

  async #data<T>(method: string, path: string, version: string, sent: object): Promise<T> {
    return (await this.#answer<T>(method, path, version, sent)).data
  }

  #answer<T>(method: string, path: string, version: string, sent: object): Promise<Answer<T>> {
    const headers = { 'cal-api-version': this.#apiVersion ?? version }
    return this.json(method, path, { headers, ...sent })
  }
}

function isOpen({ status }: CalComBooking): boolean {
  return status === 'accepted' || status === 'pending'
}

/** Whether a change has arrived, by the status of its booking. */
function changed(change: string, booking: CalComBooking): Found {
  if (change === 'cancel') return booking.status === 'cancelled' ? 'done' : 'not-done'
  // a moved booking is a cancelled one with another beside it: whose doing that was it does not say
  if (change === 'reschedule') return isOpen(booking) ? 'not-done' : undefined
  if (booking.status === 'pending') return 'not-done'
  return booking.status === (change === 'confirm' ? 'accepted' : 'rejected') ? 'done' : undefined
}

/** The path under the base url, whatever way it was given. */
function routeOf(path: string | URL): string {
  const text = String(path)
  return /^https?:/i.test(text)
    ? new URL(text).pathname.replace(/^.*\/v2(?=\/)/, '')
    : `/${text.replace(/^\//, '')}`
}

function credentials(own: OwnPolicy): () => Promise<Record<string, string>> {
  const { apiKey, accessToken, clientId, secretKey } = own
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
  return async () => ({ authorization: `Bearer ${apiKey ?? (await accessToken?.())}` })
}

/** Makes a client for Cal.com. @see CalComClient */
export function createCalComClient(options: CalComClientOptions): CalComClient {
  return new CalComClient(options)
}
