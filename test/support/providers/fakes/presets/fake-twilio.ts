import { type FakeAnswer, FakeProvider, type FakeRequest, ok, seconds } from '../fake-provider.ts'

/** Messages of an account, as forms; a limit of how much runs at once. */
export class FakeTwilio extends FakeProvider {
  readonly prefix = '/2010-04-01/Accounts/AC1'
  readonly authToken: string

  constructor(authToken: string) {
    super()
    this.authToken = authToken
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    return headers.authorization === `Basic ${Buffer.from(`AC1:${this.authToken}`).toString('base64')}`
      ? undefined
      : this.error(401, 'Authenticate', 20003)
  }

  limited(waitMs: number): FakeAnswer {
    const answer = this.error(429, 'Too Many Requests', 20429)
    return { ...answer, headers: { ...answer.headers, 'retry-after': String(Math.ceil(waitMs / 1000)) } }
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    return seconds(headers['retry-after'])
  }

  error(status: number, message: string, code: number): FakeAnswer {
    return {
      status,
      headers: { 'twilio-request-id': `RQ${this.requests.length}` },
      body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
    }
  }

  protected route({ method, path, body }: FakeRequest): FakeAnswer {
    const route = path.slice(this.prefix.length)
    if (route !== '/Messages.json') return this.error(404, 'The requested resource was not found', 20404)
    if (method === 'GET') return ok({ messages: [] })
    const form = new URLSearchParams(body)
    const to = form.get('To')
    if (to === null) return this.error(400, "A 'To' phone number is required.", 21604)
    this.create(`message ${to} ${form.get('Body')}`)
    return ok({ sid: `SM${this.created.size}`, to }, 201)
  }
}
