import { type FakeAnswer, FakeProvider, type FakeRequest, ok } from '../fake-provider.ts'

/** Issues; limits that come as 403. */
export class FakeGitHub extends FakeProvider {
  readonly prefix = ''
  readonly token: string

  constructor(token: string) {
    super()
    this.token = token
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    return headers.authorization === `Bearer ${this.token}` || headers.authorization === `token ${this.token}`
      ? undefined
      : this.error(401, 'Bad credentials')
  }

  /** The primary limit: 403, nothing remains, and an epoch second. */
  limited(waitMs: number): FakeAnswer {
    const answer = this.error(403, 'API rate limit exceeded for installation ID 1')
    const reset = String(Math.ceil((Date.now() + waitMs) / 1000))
    return {
      ...answer,
      headers: { ...answer.headers, 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
    }
  }

  /** The secondary one: 403, and no header that tells a wait. */
  secondary(): FakeAnswer {
    return this.error(403, 'You have exceeded a secondary rate limit. Please wait a few minutes.')
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    const reset = headers['x-ratelimit-reset']
    return reset === undefined ? 0 : Math.max(0, Number(reset) * 1000 - Date.now())
  }

  protected override isLimit(answer: FakeAnswer): boolean {
    const message = (answer.body as { message?: string } | undefined)?.message ?? ''
    return answer.status === 429 || (answer.status === 403 && message.includes('rate limit'))
  }

  error(status: number, message: string): FakeAnswer {
    return {
      status,
      headers: { 'x-github-request-id': `gh-${this.requests.length}` },
      body: { message, documentation_url: 'https://docs.github.com/rest' },
    }
  }

  protected route({ method, path, json }: FakeRequest): FakeAnswer {
    if (path === '/repos/o/private/issues') return this.error(403, 'Resource not accessible by integration')
    if (path !== '/repos/o/r/issues') return this.error(404, 'Not Found')
    if (method === 'GET') return ok([])
    this.create(`issue ${String(json['title'])}`)
    return ok({ number: this.created.size, title: json['title'] }, 201)
  }
}
