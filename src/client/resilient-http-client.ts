import { Agent, type Dispatcher } from 'undici'
import { checkInit } from '../call/body/request-init.ts'
import { runInCallScope } from '../call/call-options.ts'
import type { Call } from '../call/call.ts'
import { interceptor, type MakeLayer } from '../call/layer.ts'
import { type Checks, optional, resolveOptions } from '../checks.ts'
import type { CloseOptions } from '../dead-letter/interceptor.ts'
import { extraUrlRules } from '../dead-letter/redact-options.ts'
import { addCallerStack, IntegrationError, isIntegrationError, subjectOf, isError } from '../errors.ts'
import { errorCode } from '../http/delivery.ts'
import { redactText } from '../http/secrets/redacted-text.ts'
import { redactUrl, type UrlRules } from '../http/secrets/redacted-url.ts'
import { baseUrlOption } from '../http/url/base-url.ts'
import { dispatcherOption, headersOption, shown } from '../options.ts'
import { type ResilienceStack, stackOf } from '../resilience.ts'
import { resilienceChecks, type ResilienceOptions, type ResiliencePolicy } from '../stack/options.ts'
import { isDoneWithin } from '../time/time-limit.ts'
import { errorOfResponse } from './response-error.ts'

/** Options of `ResilientHttpClient`: those of `resilience()`, and where requests go. */
export interface ResilientHttpClientOptions extends ResilienceOptions {
  /** What relative urls are resolved against. Without it each url must be absolute. */
  baseUrl?: string | URL | undefined
  /** Sent with each request, unless the request has its own. */
  headers?: RequestInit['headers'] | undefined
  /** What the stack is put on. Default: an Agent of the client's own, which `close()` closes. */
  dispatcher?: Dispatcher | undefined
}

interface ClientPolicy extends ResiliencePolicy {
  readonly baseUrl: URL | undefined
  readonly headers: Headers
  readonly dispatcher: Dispatcher | undefined
}

const clientChecks: Checks<ResilientHttpClientOptions, ClientPolicy> = {
  ...resilienceChecks,
  baseUrl: optional(baseUrlOption),
  headers: headersOption,
  dispatcher: optional(dispatcherOption),
}

/** The init of `fetch`, without the dispatcher: the client has its own. */
export type RequestOptions = Omit<RequestInit, 'dispatcher'>

/**
 * A client object for one integration: `fetch` with a base url, default headers and the whole stack, and with the
 * standard errors instead of responses that are not ok.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const hubspot = new ResilientHttpClient({ integration: 'hubspot', baseUrl: 'https://api.hubapi.com', headers: { authorization } })
 * const response = await hubspot.request('/crm/v3/objects/contacts/1')
 */
export class ResilientHttpClient {
  /** The `integration` option. */
  readonly integration: string
  /** The state of the circuits, and operator overrides. */
  readonly circuits: ResilienceStack['circuits']
  /** The state of the rate limits and cool-downs, and operator overrides. */
  readonly limits: ResilienceStack['limits']
  /** What finally failed, up to the call that has just returned. */
  readonly deadLetters: ResilienceStack['deadLetters']
  readonly #stack: ResilienceStack
  readonly #base: URL | undefined
  readonly #headers: Headers
  readonly #dispatcher: Dispatcher
  readonly #ownAgent: Dispatcher | undefined
  /** What of urls is secret, as in its dead letters. */
  readonly #urlRules: UrlRules | undefined
  #closing: Promise<void> | undefined

  constructor(options: ResilientHttpClientOptions = {}) {
    const { baseUrl, headers, dispatcher, ...policy } = resolveOptions(
      'ResilientHttpClient',
      clientChecks,
      options,
    )
    const stack = stackOf(policy)
    this.#stack = stack
    this.integration = stack.integration
    this.circuits = stack.circuits
    this.limits = stack.limits
    this.deadLetters = stack.deadLetters
    this.#base = baseUrl
    this.#headers = headers
    const base = dispatcher ?? new Agent()
    this.#ownAgent = dispatcher === undefined ? base : undefined
    this.#urlRules = policy.deadLetter === false ? undefined : extraUrlRules(policy.deadLetter.redact)
    this.#dispatcher = base.compose(stack, reportingCall(this.integration, this.#urlRules))
  }

  /**
   * Sends a request with retries, circuit and dead letters.
   * @returns the response, when it is ok (200 to 299)
   * @throws TypeError for an `init` that holds what `fetch` would drop or send as `[object Object]`
   * @throws RateLimitError for 429 after the last attempt, IntegrationError for any other response that is not ok and
   *   for network errors (as `cause`), CircuitBreakerOpenError, RequestTimeoutError; after an abort the signal's reason
   */
  async request(url: string | URL, init: RequestOptions = {}): Promise<Response> {
    const target = this.#resolve(url)
    checkInit(init)
    const method = (init.method ?? 'GET').toUpperCase()
    // credentials are for the base: a link that a provider gives may lead elsewhere
    const own = this.#base === undefined || this.#base.origin === target.origin
    const headers = new Headers(own ? this.#headers : undefined)
    new Headers(init.headers).forEach((value, name) => headers.set(name, value))
    let call: Call | undefined
    const fetchInit = { ...init, headers, dispatcher: this.#dispatcher } as unknown as RequestInit
    let response: Response
    try {
      response = await runInCallScope({ onCall: (made) => (call = made) }, () => fetch(target, fetchInit))
    } catch (error) {
      throw this.#failure(error, method, target, call, init.signal)
    }
    if (response.ok) return response
    const failure = await errorOfResponse(response, {
      integration: this.integration,
      method,
      url: redactUrl(target.href, this.#urlRules),
      attempts: call?.attempts ?? 1,
      deadLetterId: call?.deadLetterId,
      verdict: call?.attempt.verdict,
    })
    init.signal?.throwIfAborted()
    throw failure
  }

  /**
   * Writes down what was captured and counted, closes the stack, and the client's own Agent once its responses are read.
   * @param options.timeoutMs the longest wait for all of it, after `graceMs` for calls under way, in milliseconds; a response
   *   that is still unread then stays open until it ends or undici times it out. Default 5,000
   */
  close(options: CloseOptions = {}): Promise<void> {
    return (this.#closing ??= this.#close(options))
  }

  async #close(options: CloseOptions): Promise<void> {
    const deadline = performance.now() + (options.graceMs ?? 0) + (options.timeoutMs ?? 5_000)
    await this.#stack.close(options)
    if (this.#ownAgent === undefined) return
    await isDoneWithin(this.#ownAgent.close(), Math.max(0, deadline - performance.now()))
  }

  #resolve(url: string | URL): URL {
    if (url instanceof URL) return url
    if (typeof url !== 'string') throw new TypeError(`\`url\` must be a string or a URL, got ${shown(url)}`)
    const base = this.#base
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) return new URL(url)
    if (base === undefined) {
      throw new TypeError(`\`url\` must be absolute without \`baseUrl\`, got ${JSON.stringify(url)}`)
    }
    // joined, not resolved: '/contacts' under 'https://host/v3' means https://host/v3/contacts
    const root = base.href.replace(/\/$/, '')
    const joined = new URL(
      url === '' || url.startsWith('?') ? root + url : `${root}/${url.replace(/^\//, '')}`,
    )
    if (!joined.pathname.startsWith(new URL(root).pathname)) {
      throw new RangeError(`\`url\` must stay under \`baseUrl\` ${root}, got ${JSON.stringify(url)}`)
    }
    return joined
  }

  #failure(
    error: unknown,
    method: string,
    url: URL,
    call: Call | undefined,
    signal: AbortSignal | null | undefined,
  ): unknown {
    if (signal?.aborted === true) return error
    const cause =
      isError(error) && error.name === 'TypeError' && error.cause !== undefined ? error.cause : error
    if (isIntegrationError(cause)) return addCallerStack(cause)
    // the client's own refusal of bad arguments is no failure of the integration
    if (call === undefined || !isError(error)) return error
    const code = errorCode(cause)
    const context = {
      code: 'ERR_NETWORK',
      integration: this.integration,
      method,
      url: redactUrl(url.href, this.#urlRules),
      attempts: call.attempts,
      deadLetterId: call.deadLetterId,
      cause,
    } as const
    return new IntegrationError(`${subjectOf(context)} failed: ${code ?? redactText(String(cause))}`, context)
  }
}

/** Outermost: tells the client of the call that it made, and not of one that an interceptor made meanwhile. */
const reportingCall = (
  integration: string,
  urlRules: UrlRules | undefined,
): Dispatcher.DispatcherComposeInterceptor => {
  const makeLayer: MakeLayer = (next) => (attempt, options, handler) => {
    attempt.call.scope?.onCall?.(attempt.call)
    return next(attempt, options, handler)
  }
  return interceptor(integration, makeLayer, { urlRules })
}
