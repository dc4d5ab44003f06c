import { type FakeAnswer, FakeProvider, type FakeRequest, ok, seconds } from './fake-provider.ts'

/**
 * Slots and bookings of API v2, schedules of its first version; several limits at once, each with its own reset, and
 * versions that it insists on.
 */
export class FakeCalCom extends FakeProvider {
  readonly prefix = '/v2'
  readonly apiKey: string
  readonly #bookings = new Map<string, Record<string, unknown>>()
  readonly #schedules: Record<string, unknown>[] = []

  constructor(apiKey: string) {
    super()
    this.apiKey = apiKey
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    if (headers.authorization === `Bearer ${this.apiKey}`) return undefined
    return this.error(401, 'UnauthorizedException', 'Invalid API key')
  }

  /** All limits are used up; the first to reset is the one to wait for. */
  limited(waitMs: number): FakeAnswer {
    const wait = Math.ceil(waitMs / 1000)
    return {
      ...this.error(429, 'TooManyRequestsException', 'Too many requests'),
      headers: {
        'x-ratelimit-limit-default': '120',
        'x-ratelimit-remaining-default': '0',
        'x-ratelimit-reset-default': String(wait + 55),
        'x-ratelimit-limit-burst': '10',
        'x-ratelimit-remaining-burst': '0',
        'x-ratelimit-reset-burst': String(wait),
      },
    }
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    return seconds(headers['x-ratelimit-reset-burst'])
  }

  error(status: number, code: string, message: string): FakeAnswer {
    return {
      status,
      headers: { 'x-request-id': `cc-${this.requests.length}` },
      body: { status: 'error', timestamp: '2026-11-24T00:00:00Z', error: { code, message } },
    }
  }

  protected route({ method, path, headers, json, query }: FakeRequest): FakeAnswer {
    const route = path.slice(this.prefix.length)
    // who names no version gets the first one
    const version = headers['cal-api-version'] ?? '2024-04-15'
    // an unknown version is answered as an unknown route is
    if (version !== versionOf(route)) return this.error(404, 'NotFoundException', `Cannot ${method} ${path}`)
    if (route === '/event-types') return ok({ status: 'success', data: [] })
    if (route === '/slots') {
      return ok({ status: 'success', data: { '2026-12-24': [{ start: '2026-12-24T09:00:00Z' }] } })
    }
    if (method === 'GET' && route === '/bookings') {
      return this.#page(query)
    }
    if (method === 'POST' && route === '/bookings') {
      const attendee = json['attendee'] as { email?: string } | undefined
      if (attendee?.email === undefined) {
        return this.error(400, 'BadRequestException', 'attendee.email must be an email')
      }
      this.create(`booking ${attendee.email} ${String(json['start'])}`)
      return ok({ status: 'success', data: this.#put(json) }, 201)
    }
    if (method === 'GET' && route === '/schedules') return ok({ status: 'success', data: this.#schedules })
    if (method === 'POST' && route === '/schedules') {
      if (json['timeZone'] === undefined) {
        return this.error(400, 'BadRequestException', 'timeZone must be a string')
      }
      this.create(`schedule ${String(json['name'])}`)
      const schedule = { id: this.#schedules.length + 1, ...json }
      this.#schedules.push(schedule)
      return ok({ status: 'success', data: schedule }, 201)
    }
    if (method === 'GET' && route.startsWith('/bookings/')) {
      return ok({ status: 'success', data: this.#bookings.get(route.slice('/bookings/'.length)) })
    }
    const [, uid, action] = /^\/bookings\/([^/]+)\/(cancel|reschedule|confirm|decline)$/.exec(route) ?? []
    const booking = this.#bookings.get(uid ?? '')
    if (booking === undefined) {
      return this.error(404, 'NotFoundException', `Booking with uid=${String(uid)} was not found`)
    }
    if (booking['status'] === 'cancelled') {
      return this.error(400, 'BadRequestException', 'Booking is already cancelled')
    }
    if (action === 'confirm' || action === 'decline') {
      booking['status'] = action === 'confirm' ? 'accepted' : 'rejected'
      return ok({ status: 'success', data: booking })
    }
    booking['status'] = 'cancelled'
    return ok({ status: 'success', data: action === 'cancel' ? booking : this.#put({ ...booking, ...json }) })
  }

  /** Of an answer: what is behind it. */
  #page(query: URLSearchParams): FakeAnswer {
    const email = query.get('attendeeEmail')
    const all = [...this.#bookings.values()].filter(
      (one) => email === null || (one['attendee'] as { email?: string }).email === email,
    )
    const skip = Number(query.get('skip') ?? 0)
    const data = all.slice(skip, skip + Number(query.get('take') ?? 100))
    const hasNextPage = skip + data.length < all.length
    const pagination = { totalItems: all.length, returnedItems: data.length, hasNextPage }
    return ok({ status: 'success', data, pagination })
  }

  #put(fields: Record<string, unknown>): Record<string, unknown> {
    const id = this.#bookings.size + 1
    const status = fields['pending'] === true ? 'pending' : 'accepted'
    const createdAt = new Date().toISOString()
    const booking = { ...fields, id, uid: `b${id}`, status, createdAt }
    this.#bookings.set(booking.uid, booking)
    return booking
  }
}

function versionOf(route: string): string {
  if (route.startsWith('/slots')) return '2024-09-04'
  if (route.startsWith('/event-types')) return '2024-06-14'
  return route.startsWith('/schedules') ? '2024-04-15' : '2024-08-13'
}
