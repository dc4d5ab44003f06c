import { type FakeAnswer, FakeProvider, type FakeRequest, ok } from '../fake-provider.ts'

/** Completions and vector stores; a limit whose reset is a duration. */
export class FakeOpenAI extends FakeProvider {
  readonly prefix = '/v1'
  readonly apiKey: string

  constructor(apiKey: string) {
    super()
    this.apiKey = apiKey
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    return headers.authorization === `Bearer ${this.apiKey}`
      ? undefined
      : this.error(401, 'Incorrect API key provided', 'invalid_api_key')
  }

  limited(waitMs: number): FakeAnswer {
    return {
      ...this.error(429, 'Rate limit reached for requests', 'rate_limit_exceeded'),
      headers: {
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': `${Math.ceil(waitMs)}ms`,
        'x-ratelimit-remaining-tokens': '1000',
        'x-ratelimit-reset-tokens': '6m0s',
      },
    }
  }

  /** Nobody has paid. */
  spent(): FakeAnswer {
    return this.error(429, 'You exceeded your current quota', 'insufficient_quota')
  }

  /** Too much for all of them together. */
  overloaded(): FakeAnswer {
    return this.error(503, 'The server is overloaded', 'server_is_overloaded')
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    return Number((headers['x-ratelimit-reset-requests'] ?? '0').replace('ms', ''))
  }

  error(status: number, message: string, code: string): FakeAnswer {
    return {
      status,
      headers: { 'x-request-id': `oai-${this.requests.length}` },
      body: { error: { message, type: code, code, param: null } },
    }
  }

  protected route({ method, path, json }: FakeRequest): FakeAnswer {
    const route = path.slice(this.prefix.length)
    if (method === 'POST' && route === '/chat/completions') {
      if (json['model'] === undefined) {
        return this.error(400, 'you must provide a model parameter', 'invalid_request')
      }
      const message = { role: 'assistant', content: 'Hello' }
      return ok({
        id: 'c1',
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
      })
    }
    if (method === 'POST' && route === '/vector_stores') {
      this.create(`store ${String(json['name'])}`)
      return ok({ id: `vs_${this.created.size}`, name: json['name'] })
    }
    return this.error(404, 'Unknown url', 'not_found')
  }
}
