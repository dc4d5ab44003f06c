import { type FakeAnswer, FakeProvider, type FakeRequest, ok, seconds } from '../fake-provider.ts'

/** Messages and batches; a limit with Retry-After, an overload of 529, and a spend limit of a month. */
export class FakeAnthropic extends FakeProvider {
  readonly prefix = ''
  readonly apiKey: string

  constructor(apiKey: string) {
    super()
    this.apiKey = apiKey
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    return headers['x-api-key'] === this.apiKey || headers.authorization === `Bearer ${this.apiKey}`
      ? undefined
      : this.error(401, 'invalid x-api-key', 'authentication_error')
  }

  limited(waitMs: number): FakeAnswer {
    const answer = this.error(429, 'This request would exceed your rate limit', 'rate_limit_error')
    return { ...answer, headers: { ...answer.headers, 'retry-after': String(Math.ceil(waitMs / 1000)) } }
  }

  /** The month's money is spent: no Retry-After. */
  spent(): FakeAnswer {
    const { body, ...answer } = this.error(429, 'You have reached your spend limit', 'rate_limit_error')
    const { error, ...rest } = body as { error: object }
    return {
      ...answer,
      body: { ...rest, error: { ...error, details: { error_code: 'enforced_spend_limit_reached' } } },
    }
  }

  overloaded(): FakeAnswer {
    return this.error(529, 'Overloaded', 'overloaded_error')
  }

  askedWait({ headers = {} }: FakeAnswer): number {
    return seconds(headers['retry-after'])
  }

  error(status: number, message: string, type: string): FakeAnswer {
    const id = `req_${this.requests.length}`
    return {
      status,
      headers: { 'request-id': id },
      body: { type: 'error', error: { type, message }, request_id: id },
    }
  }

  protected route({ method, path, json }: FakeRequest): FakeAnswer {
    if (method === 'POST' && path === '/v1/messages') {
      if (json['model'] === undefined) {
        return this.error(400, 'model: Field required', 'invalid_request_error')
      }
      return ok({
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        content: [{ type: 'text', text: 'Hello' }],
      })
    }
    if (method === 'POST' && path === '/v1/messages/batches') {
      this.create(`batch ${JSON.stringify(json['requests'])}`)
      return ok({ id: `msgbatch_${this.created.size}`, type: 'message_batch' })
    }
    return this.error(404, 'Not found', 'not_found_error')
  }
}
