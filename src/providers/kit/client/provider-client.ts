import { ResilientHttpClient, type RequestOptions } from '../../../client/resilient-http-client.ts'
import type { DeadLetter } from '../../../dead-letter/record/record.ts'
import type { ReplayDecision } from '../../../dead-letter/replay/entry/prepare.ts'
import type { ReplayOptions } from '../../../dead-letter/replay/options.ts'
import type { ReplaySummary } from '../../../dead-letter/replay/summary.ts'
import { IntegrationError, subjectOf } from '../../../errors.ts'
import { redactUrl } from '../../../http/secrets/redacted-url.ts'
import { baseUrlOption } from '../../../http/url/base-url.ts'
import { defined } from '../../../options.ts'
import { replayDeadLetters } from '../../../replay.ts'
import type { ResilienceStack } from '../../../resilience.ts'
import { type CloseOptions, ProviderAgent } from '../agent/provider-agent.ts'
import type { Provider, ProviderOptions } from '../agent/provider.ts'
import { type Found, settleBy, type Sought } from '../settle/settle.ts'
import { queryString } from './query-string.ts'
import { replayTimes } from './replay-times.ts'

type Awaitable<T> = T | Promise<T>

/** What a typed method needs to send. */
interface Sent {
  query?: object | undefined
  body?: unknown
  headers?: Record<string, string> | undefined
  signal?: AbortSignal | undefined
}

/** A request with a JSON body or none, and its JSON answer: what a part of a client is given to make its calls with. */
export type SendJson = <T>(method: string, path: string, sent?: Sent) => Promise<T>

/** Options of a replay, but for what the client gives itself. */
export type ProviderReplayOptions = Omit<ReplayOptions, 'dispatcher' | 'allowedOrigins' | 'credentials'>

/** What every method of a provider's client takes last. */
export interface CallInit {
  /** Ends the call at once, in an attempt or in a wait. */
  signal?: AbortSignal | undefined
}

/**
 * What the clients of all providers have in common: `ResilientHttpClient` on the provider's Agent, with its credentials.
 * Redirects are not followed: no provider here answers an API call with one, and it would carry a secret elsewhere.
 */
export class ProviderClient {
  /** The Agent under the client: for `fetch`, and as the `dispatcher` of a replay. */
  readonly agent: ProviderAgent
  readonly circuits: ResilienceStack['circuits']
  readonly limits: ResilienceStack['limits']
  readonly deadLetters: ResilienceStack['deadLetters']
  readonly #http: ResilientHttpClient
  readonly #origin: string
  readonly #credentials: () => Awaitable<Record<string, string>>

  constructor(
    provider: Provider,
    options: ProviderOptions,
    credentials: () => Awaitable<Record<string, string>>,
  ) {
    const base = baseUrlOption('baseUrl', options.baseUrl === undefined ? provider.baseUrl : options.baseUrl)
    this.agent = new ProviderAgent(provider, { ...options, baseUrl: base })
    this.circuits = this.agent.circuits
    this.limits = this.agent.limits
    this.deadLetters = this.agent.deadLetters
    this.#origin = base.origin
    this.#credentials = credentials
    // The Agent has the stack. The client on it adds the base url and the standard errors, and no second stack.
    this.#http = new ResilientHttpClient({
      integration: this.agent.integration,
      baseUrl: base,
      headers: { accept: 'application/json' },
      dispatcher: this.agent,
      retry: false,
      // or a second one would refuse calls before the Agent's stack can keep them
      rateLimit: false,
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
   * Only entries with this client's `integration` are sent. Clients with different credentials and one store need labels of
   * their own (`integration: 'hubspot:tenant-7'`), or one would send the other's calls with its own credentials.
   * A request of a replay may take as long as an attempt of a call (`timeoutMs`, and `leaseMs` twice that).
   *
   * @returns what was done
   * @example
   * const summary = await client.replay({ ids: [error.deadLetterId] })
   */
  async replay(options: ProviderReplayOptions = {}): Promise<ReplaySummary> {
    return replayDeadLetters(this.deadLetters, {
      ...replayTimes(this.agent.attemptTimeoutMs, options),
      ...defined(options),
      filter: { integration: this.agent.integration, ...defined(options.filter ?? {}) },
      dispatcher: this.agent,
      allowedOrigins: [this.#origin],
      credentials: async () => ({ headers: await this.#credentials() }),
    })
  }

  /**
   * Whether a dead letter is still to be sent, for `decide` at a replay: one that may have arrived and is not repeatable is
   * looked up at the provider first. Each provider's page says what is looked for.
   *
   * @returns `send` where it is not there (or cannot have arrived, or may arrive twice), `discard` where it is there, `hold`
   *   where the provider cannot say
   * @throws Error when it is not there but may still come, and when the provider cannot be asked: the entry then waits
   * @example
   * await client.replay({ unknownDelivery: 'replay', decide: (record) => client.settle(record) })
   */
  async settle(record: DeadLetter): Promise<ReplayDecision> {
    return settleBy(record, (sought) => this.lookUp(sought), this.settleGraceMs, Date.now())
  }

  /** How long a request may still be worked on, or be missing from what is searched, in milliseconds. */
  protected get settleGraceMs(): number {
    return 60_000
  }

  /** Looks at the provider whether a request has arrived. Here: nobody can say. */
  protected lookUp(_sought: Sought): Promise<Found> {
    return Promise.resolve(undefined)
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
      const context = {
        integration: this.agent.integration,
        method,
        url: redactUrl(response.url),
        statusCode: response.status,
        cause,
      }
      throw new IntegrationError(
        `${subjectOf(context)} answered ${response.status} with a body that is not JSON`,
        context,
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
