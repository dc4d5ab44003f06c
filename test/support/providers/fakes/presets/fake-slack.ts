import { type FakeAnswer, FakeProvider, type FakeRequest, ok, seconds } from '../fake-provider.ts'

/** Messages and channels: what fails comes with status 200. */
export class FakeSlack extends FakeProvider {
  readonly prefix = '/api'
  readonly token: string

  constructor(token: string) {
    super()
    this.token = token
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    return headers.authorization === `Bearer ${this.token}` ? undefined : this.failed('invalid_auth')
  }

  limited(waitMs: number): FakeAnswer {
    return {
      status: 429,
      headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
      body: { ok: false, error: 'ratelimited' },
    }
  }

  /** With status 200, as Slack has it. */
  failed(error: string): FakeAnswer {
    return {
      status: 200,
      headers: { 'x-slack-req-id': `sl-${this.requests.length}` },
      body: { ok: false, error },
    }
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    return seconds(headers['retry-after'])
  }

  protected route({ path, body, json }: FakeRequest): FakeAnswer {
    const route = path.slice(this.prefix.length)
    if (route === '/conversations.list') return ok({ ok: true, channels: [{ id: 'C1' }] })
    if (route === '/no.page') return { status: 404 }
    if (route !== '/chat.postMessage') return this.failed('unknown_method')
    const form = new URLSearchParams(body)
    const text = form.get('text') ?? json['text']
    const channel = form.get('channel') ?? json['channel']
    if (channel === undefined || channel === null) return this.failed('channel_not_found')
    this.create(`message ${String(text)}`)
    return ok({ ok: true, ts: `${this.created.size}.0`, channel })
  }
}
