import { type FakeAnswer, FakeProvider, type FakeRequest, ok, seconds } from '../fake-provider.ts'

/** Mails with idempotency keys; a limit in ratelimit-reset, and quotas that are 429 too. */
export class FakeResend extends FakeProvider {
  readonly prefix = ''
  readonly apiKey: string
  readonly #sent = new Map<string, string>()

  constructor(apiKey: string) {
    super()
    this.apiKey = apiKey
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    return headers.authorization === `Bearer ${this.apiKey}`
      ? undefined
      : this.error(401, 'API key is invalid', 'invalid_api_key')
  }

  limited(waitMs: number): FakeAnswer {
    const wait = String(Math.ceil(waitMs / 1000))
    return {
      ...this.error(429, 'Too many requests', 'rate_limit_exceeded'),
      headers: {
        'ratelimit-limit': '2',
        'ratelimit-remaining': '0',
        'ratelimit-reset': wait,
        'retry-after': wait,
      },
    }
  }

  /** The mails of the day are used up. */
  daily(): FakeAnswer {
    return this.error(429, 'You have reached your daily email sending quota', 'daily_quota_exceeded')
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    return seconds(headers['ratelimit-reset'])
  }

  error(statusCode: number, message: string, name: string): FakeAnswer {
    return { status: statusCode, body: { statusCode, message, name } }
  }

  protected route({ method, path, headers, json }: FakeRequest): FakeAnswer {
    if (method === 'GET' && path === '/domains') return ok({ data: [] })
    if (method !== 'POST' || path !== '/emails') return this.error(404, 'Not found', 'not_found')
    if (json['to'] === undefined) return this.error(422, 'Missing `to` field', 'missing_required_field')
    const key = headers['idempotency-key']
    const known = typeof key === 'string' ? this.#sent.get(key) : undefined
    if (known !== undefined) return ok({ id: known })
    this.create(`mail ${JSON.stringify(json['to'])} ${String(json['subject'])}`)
    const id = `re_${this.created.size}`
    if (typeof key === 'string') this.#sent.set(key, id)
    return ok({ id })
  }
}
