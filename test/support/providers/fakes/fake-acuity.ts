import { type FakeAnswer, FakeProvider, type FakeRequest, ok } from './fake-provider.ts'

/** Availability and appointments behind Basic authentication; a limit that does not tell its wait. */
export class FakeAcuity extends FakeProvider {
  readonly prefix = '/api/v1'
  readonly userId: string
  readonly apiKey: string
  readonly #appointments = new Map<string, Record<string, unknown>>()

  constructor(userId: string, apiKey: string) {
    super()
    this.userId = userId
    this.apiKey = apiKey
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    const expected = `Basic ${Buffer.from(`${this.userId}:${this.apiKey}`).toString('base64')}`
    return headers.authorization === expected ? undefined : this.error(401, 'unauthorized', 'Unauthorized')
  }

  limited(): FakeAnswer {
    return this.error(429, 'too_many_requests', 'Too many requests')
  }

  askedWait(): number {
    return 0
  }

  error(status: number, error: string, message: string): FakeAnswer {
    return { status, body: { status_code: status, message, error } }
  }

  protected route({ method, path, json, query }: FakeRequest): FakeAnswer {
    const route = path.slice(this.prefix.length)
    if (route === '/availability/dates') return ok([{ date: '2026-12-24' }])
    if (route === '/availability/times') return ok([{ time: '2026-12-24T09:00:00-0500', slotsAvailable: 1 }])
    if (route === '/availability/check-times') return ok({ ...json, valid: true })
    if (method === 'GET' && route === '/appointments') {
      const email = query.get('email')
      return ok(
        [...this.#appointments.values()].filter(
          (one) =>
            (email === null || one['email'] === email) &&
            (one['canceled'] !== true || query.get('showall') === 'true'),
        ),
      )
    }
    if (method === 'POST' && route === '/appointments') {
      if (json['email'] === undefined) {
        return this.error(400, 'required_email', 'Attribute "email" is required.')
      }
      this.create(JSON.stringify([json['email'], json['datetime']]))
      const id = String(this.#appointments.size + 1)
      const appointment = { id: Number(id), datetimeCreated: new Date().toISOString(), ...json }
      this.#appointments.set(id, appointment)
      return ok(appointment)
    }
    const [, id] = /^\/appointments\/(\d+)\/cancel$/.exec(route) ?? []
    const appointment = this.#appointments.get(id ?? '')
    if (method === 'PUT' && appointment !== undefined) {
      return ok(Object.assign(appointment, { canceled: true }))
    }
    return this.error(404, 'not_found', 'Not found')
  }
}
