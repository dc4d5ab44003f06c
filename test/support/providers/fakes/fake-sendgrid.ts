import { type FakeAnswer, FakeProvider, type FakeRequest, ok } from './fake-provider.ts'

/** Mail and marketing contacts; a limit whose reset is an epoch second, and credits that run out with a 401. */
export class FakeSendGrid extends FakeProvider {
  readonly prefix = ''
  readonly apiKey: string

  constructor(apiKey: string) {
    super()
    this.apiKey = apiKey
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    if (headers.authorization === `Bearer ${this.apiKey}`) return undefined
    return this.error(401, 'The provided authorization grant is invalid, expired, or revoked')
  }

  limited(waitMs: number): FakeAnswer {
    return {
      ...this.error(429, 'too many requests'),
      headers: {
        'x-ratelimit-limit': '600',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(Math.ceil((Date.now() + waitMs) / 1000)),
      },
    }
  }

  /** The plan's credits are used up. */
  credits(): FakeAnswer {
    return this.error(401, 'Maximum credits exceeded')
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    const reset = headers['x-ratelimit-reset']
    return reset === undefined ? 0 : Math.max(0, Number(reset) * 1000 - Date.now())
  }

  error(status: number, message: string, field: string | null = null): FakeAnswer {
    return {
      status,
      headers: { 'x-request-id': `sg-${this.requests.length}` },
      body: { errors: [{ message, field, help: null }] },
    }
  }

  protected route({ method, path, json }: FakeRequest): FakeAnswer {
    if (method === 'POST' && path === '/v3/mail/send') return this.#send(json)
    if (method === 'PUT' && path === '/v3/marketing/contacts') return ok({ job_id: 'job-1' }, 202)
    if (method === 'GET' && path === '/v3/scopes') return ok({ scopes: ['mail.send'] })
    return this.error(404, 'not found')
  }

  #send(json: Record<string, unknown>): FakeAnswer {
    const [first] = (json['personalizations'] ?? []) as { to?: { email: string }[] }[]
    const to = first?.to?.[0]?.email
    if (to === undefined) return this.error(400, 'The personalizations field is required', 'personalizations')
    if (json['from'] === undefined) return this.error(400, 'The from object must be provided', 'from.email')
    const settings = json['mail_settings'] as { sandbox_mode?: { enable?: boolean } } | undefined
    if (settings?.sandbox_mode?.enable === true) return ok({})
    this.create(`mail ${to} ${String(json['subject'])}`)
    return { status: 202, headers: { 'x-message-id': `m-${this.requests.length}` } }
  }
}
