import { type FakeAnswer, FakeProvider, type FakeRequest, ok } from './fake-provider.ts'

/** Everything is a POST with the key in its body; a failure is a 500 whose name says what it means. */
export class FakeMailchimpTransactional extends FakeProvider {
  readonly prefix = '/api/1.0'
  readonly apiKey: string
  readonly #sent: { email: string; ts: number; query: string }[] = []

  constructor(apiKey: string) {
    super()
    this.apiKey = apiKey
  }

  protected unauthorized({ json }: FakeRequest): FakeAnswer | undefined {
    return json['key'] === this.apiKey ? undefined : this.error('Invalid_Key', 'Invalid API key')
  }

  limited(): FakeAnswer {
    return this.error('RequestLimitExceeded', 'Too many requests')
  }

  askedWait(): number {
    return 0
  }

  protected override isLimit(answer: FakeAnswer): boolean {
    return (answer.body as { name?: string } | undefined)?.name === 'RequestLimitExceeded'
  }

  error(name: string, message: string): FakeAnswer {
    const headers = { 'x-request-id': `md-${this.requests.length}` }
    return { status: 500, headers, body: { status: 'error', code: -1, name, message } }
  }

  protected route({ path, json }: FakeRequest): FakeAnswer {
    const route = path.slice(this.prefix.length).replace(/\.json$/, '')
    if (route === '/users/ping2') return ok({ PING: 'PONG!' })
    if (route === '/messages/search') {
      return ok(this.#sent.filter(({ query }) => query === json['query']))
    }
    if (route !== '/messages/send' && route !== '/messages/send-template') {
      return this.error('Unknown_Method', 'no such method')
    }
    const message = json['message'] as
      { to?: { email: string }[]; subject?: string; metadata?: Record<string, string> } | undefined
    if (message?.to === undefined) return this.error('ValidationError', 'You must specify a message.to value')
    return ok(
      message.to.map(({ email }, index) => {
        if (!email.includes('@')) return { _id: `${index}`, email, status: 'invalid', reject_reason: null }
        const query = Object.entries(message.metadata ?? {}).map(([name, value]) => `u_${name}:${value}`)
        this.#sent.push({ email, ts: Math.floor(Date.now() / 1000), query: query.join(' AND ') })
        this.create(`mail ${email} ${String(message.subject)}`)
        return { _id: `${index}`, email, status: 'sent', reject_reason: null }
      }),
    )
  }
}
