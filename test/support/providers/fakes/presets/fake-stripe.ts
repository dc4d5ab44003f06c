import { type FakeAnswer, FakeProvider, type FakeRequest, ok } from '../fake-provider.ts'

/** Customers with idempotency keys: v1 gives the first answer again, a 500 too. */
export class FakeStripe extends FakeProvider {
  readonly prefix = ''
  readonly apiKey: string
  readonly #answers = new Map<string, FakeAnswer>()

  constructor(apiKey: string) {
    super()
    this.apiKey = apiKey
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    return headers.authorization === `Bearer ${this.apiKey}`
      ? undefined
      : this.error(401, 'Invalid API Key provided', 'api_key_invalid')
  }

  /** Stripe tells no wait. */
  limited(): FakeAnswer {
    return this.error(429, 'Too many requests', 'rate_limit')
  }

  askedWait(): number {
    return 0
  }

  error(status: number, message: string, code: string): FakeAnswer {
    const type = status === 402 ? 'card_error' : 'invalid_request_error'
    return {
      status,
      headers: { 'request-id': `req_${this.requests.length}` },
      body: { error: { type, code, message } },
    }
  }

  protected route({ method, path, headers, body, json }: FakeRequest): FakeAnswer {
    if (method === 'GET' && path.startsWith('/v1/customers')) return ok({ object: 'list', data: [] })
    if (method !== 'POST' || path !== '/v1/customers') {
      return this.error(404, 'No such route', 'resource_missing')
    }
    const email = new URLSearchParams(body).get('email') ?? String(json['email'])
    if (!email.includes('@')) return this.error(400, `Invalid email address: ${email}`, 'email_invalid')
    const key = headers['idempotency-key']
    const stored = this.#answers.get(String(key))
    if (stored !== undefined) {
      return { ...stored, headers: { ...stored.headers, 'idempotent-replayed': 'true' } }
    }
    this.create(`customer ${email}`)
    const answer = ok({ id: `cus_${this.created.size}`, object: 'customer', email })
    if (typeof key === 'string') this.#answers.set(key, answer)
    return answer
  }
}
