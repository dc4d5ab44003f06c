import { type FakeAnswer, FakeProvider, type FakeRequest, ok, seconds } from './fake-provider.ts'

/** Users, scheduled events, invitees and cancellations; a limit per user that tells its reset in seconds. */
export class FakeCalendly extends FakeProvider {
  readonly prefix = ''
  readonly token: string
  readonly #canceled = new Set<string>()
  readonly #booked: { invitee: { email: string }; [field: string]: unknown }[] = []

  constructor(token: string) {
    super()
    this.token = token
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    if (headers.authorization === `Bearer ${this.token}`) return undefined
    return this.error(401, 'Unauthenticated', 'The access token is invalid')
  }

  limited(waitMs: number): FakeAnswer {
    return {
      ...this.error(429, 'Too Many Requests', 'You have exceeded your rate limit'),
      headers: {
        'x-ratelimit-limit': '500',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(Math.ceil(waitMs / 1000)),
      },
    }
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    return seconds(headers['x-ratelimit-reset'])
  }

  error(status: number, title: string, message: string): FakeAnswer {
    return { status, headers: { 'x-request-id': `cal-${this.requests.length}` }, body: { title, message } }
  }

  protected route({ method, path, json, query }: FakeRequest): FakeAnswer {
    if (method === 'GET' && path === '/users/me') {
      return ok({
        resource: {
          uri: 'https://api.calendly.com/users/U1',
          name: 'Ada',
          email: 'ada@example.com',
          current_organization: 'O1',
        },
      })
    }
    const [, id, action] = /^\/scheduled_events(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? []
    if (path === '/scheduled_events') {
      const email = query.get('invitee_email')
      const booked = this.#booked.filter(({ invitee }) => invitee.email === email)
      const second = query.get('page_token') === 'second'
      const collection = email === null ? [event(second ? 'E2' : 'E1')] : booked
      if (query.get('count') === '1' && !second) {
        return ok({ collection, pagination: { count: 1, next_page_token: 'second' } })
      }
      return ok({ collection, pagination: { count: 1, next_page_token: null } })
    }
    if (id !== undefined && !id.startsWith('E')) {
      return this.error(404, 'Resource Not Found', 'The server could not find the requested resource.')
    }
    if (action === 'invitees') return ok({ collection: [], pagination: { count: 0, next_page_token: null } })
    if (method === 'POST' && action === 'cancellation') {
      if (this.#canceled.has(id ?? '')) {
        return this.error(403, 'Permission Denied', 'Event is already canceled')
      }
      this.#canceled.add(id ?? '')
      return ok({ resource: { canceled_by: 'Ada', reason: json['reason'] } }, 201)
    }
    if (method === 'POST' && path === '/invitees') {
      const invitee = json['invitee'] as { email?: string } | undefined
      if (invitee?.email === undefined) {
        return this.error(400, 'Invalid Argument', 'The supplied parameters are invalid.')
      }
      this.#booked.push({
        ...json,
        status: 'active',
        created_at: new Date().toISOString(),
        invitee: { email: invitee.email },
      })
      this.create(`booking ${invitee.email} ${String(json['start_time'])}`)
      return ok({ resource: { uri: 'https://api.calendly.com/invitees/I1', ...invitee } }, 201)
    }
    if (id !== undefined) {
      return ok({ resource: { ...event(id), ...(this.#canceled.has(id) ? { status: 'canceled' } : {}) } })
    }
    return this.error(404, 'Resource Not Found', 'The server could not find the requested resource.')
  }
}

function event(id: string): object {
  return { uri: `https://api.calendly.com/scheduled_events/${id}`, name: 'Call', status: 'active' }
}
