import { ResilientHttpClient, type RequestOptions } from '../../client/resilient-http-client.ts'
import { redactUrl } from '../../call/redacted-url.ts'
import { replayDeadLetters } from '../../dead-letter/replay.ts'
import type { ReplayOptions } from '../../dead-letter/replay-options.ts'
import type { ReplaySummary } from '../../dead-letter/replay-summary.ts'
import { IntegrationError } from '../../errors.ts'
import type { ResilienceStack } from '../../resilience.ts'
import { baseUrlOption, type CloseOptions, ProviderAgent } from './provider-agent.ts'
import type { Provider, ProviderOptions } from './provider.ts'

type Awaitable<T> = T | Promise<T>

/** What a typed method needs to send. */
interface Sent {
  query?: object | undefined
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
}

/** Options of a replay, but for what the client gives itself. */
export type ProviderReplayOptions = Omit<ReplayOptions, 'dispatcher' | 'allowedOrigins' | 'credentials'>

/** What every method of a provider's client takes last. */
export interface CallInit {
  /** Ends the call at once, in an attempt or in a wait. */
  signal?: AbortSignal
}

/**
 * What the clients of all providers have in common: `ResilientHttpClient` on the provider's Agent, with its credentials.
 * Redirects are not followed: no provider here answers an API call with one, and it would carry a secret elsewhere.
 */
export class ProviderClient {
  /** The Agent under the client: for `fetch`, and as the `dispatcher` of a replay. */
  readonly agent: ProviderAgent
  readonly circuits: ResilienceStack['circuits']
  readonly deadLetters: ResilienceStack['deadLetters']
  readonly #http: ResilientHttpClient
  readonly #origin: string
  readonly #credentials: () => Awaitable<Record<string, string>>

  constructor(
    provider: Provider,
    options: ProviderOptions,
    credentials: () => Awaitable<Record<string, string>>,
  ) {
    const base = baseUrlOption(options.baseUrl ?? provider.baseUrl)
    this.agent = new ProviderAgent(provider, { ...options, baseUrl: base })
    this.circuits = this.agent.circuits
    this.deadLetters = this.agent.deadLetters
    this.#origin = base.origin
    this.#credentials = credentials
    // The Agent has the stack. The client on it adds the base url and the standard errors, and no second stack.
    this.#http = new ResilientHttpClient({
      name: this.agent.integration,
      baseUrl: base,
      headers: { accept: 'application/json' },
      dispatcher: this.agent,
      retry: false,
      circuitBreaker: false,
      deadLetter: false,
    })
  }

  /**
   * Any endpoint: `fetch` with the base url, the credentials and the whole stack.
   * @param path joined to the base url
   * @returns the response, when it is ok (200 to 299)
   * @throws RateLimitError, CircuitBreakerOpenError, RequestTimeoutError, IntegrationError with the provider's message,
   *   `providerCode` and `requestId`; after an abort the signal's reason
   * @example
   * const response = await client.request('/crm/v3/objects/deals/1')
   */
  async request(path: string | URL, init: RequestOptions = {}): Promise<Response> {
    const headers = new Headers(await this.#credentials())
    if (typeof init.body === 'string') headers.set('content-type', 'application/json')
    new Headers(init.headers).forEach((value, name) => headers.set(name, value))
    return this.#http.request(path, { redirect: 'manual', ...init, headers })
  }

  /**
   * Sends dead letters of this provider again, with the client's credentials and through its Agent, so that circuit and
   * limits are obeyed. What may have arrived and is not repeatable is put in doubt instead, unless `ids` names it.
   *
   * Only entries with this client's `name` are sent. Clients with different credentials and one store need names of
   * their own (`name: 'hubspot:tenant-7'`), or one would send the other's calls with its own credentials.
   * @returns what was done
   * @example
   * const summary = await client.replay({ ids: [error.deadLetterId] })
   */
  async replay(options: ProviderReplayOptions = {}): Promise<ReplaySummary> {
    return replayDeadLetters(this.deadLetters, {
      ...options,
      filter: { name: this.agent.integration, ...options.filter },
      dispatcher: this.agent,
      allowedOrigins: [this.#origin],
      credentials: async () => ({ headers: await this.#credentials() }),
    })
  }

  /** Writes down what was captured and counted, and closes the connections. A store that was handed in stays open. */
  async close(options: CloseOptions = {}): Promise<void> {
    await this.agent.close(options)
    await this.#http.close(options)
  }

  /** A request with a JSON body or none, and its JSON answer; `undefined` for an empty one. */
  protected async json<T>(method: string, path: string, sent: Sent = {}): Promise<T> {
    const response = await this.call(method, path, sent)
    const text = await response.text()
    if (text === '') return undefined as T
    try {
      return JSON.parse(text) as T
    } catch (cause) {
      throw new IntegrationError(
        `${method} ${redactUrl(response.url)} answered ${response.status} with a body that is not JSON`,
        {
          integration: this.agent.integration,
          method,
          url: redactUrl(response.url),
          statusCode: response.status,
          cause,
        },
      )
    }
  }

  protected call(
    method: string,
    path: string,
    { query, body, headers, signal }: Sent = {},
  ): Promise<Response> {
    return this.request(`${path}${queryString(query)}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(headers === undefined ? {} : { headers }),
      ...(signal === undefined ? {} : { signal }),
    })
  }
}

/** `?a=1&b=2`; fields that are undefined are left out, arrays become several values. */
function queryString(query: object | undefined): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (one !== undefined && one !== null) params.append(name, String(one))
    }
  }
  const text = params.toString()
  return text === '' ? '' : `?${text}`
}

/** An id as one segment of a path. */
export function segment(name: string, value: string | number): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || text === '') {
    throw new TypeError(`\`${name}\` must be a non-empty string or a number, got ${JSON.stringify(value)}`)
  }
  // '..' would climb to another endpoint, encoded or not
  if (text === '.' || text === '..')
    throw new RangeError(`\`${name}\` must be an id, got ${JSON.stringify(text)}`)
  return encodeURIComponent(text)
}
