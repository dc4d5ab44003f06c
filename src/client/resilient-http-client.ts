import { Agent, type Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { runInCallScope } from '../call/call-options.ts'
import { interceptor } from '../call/layer.ts'
import { errorCode } from '../call/outcome.ts'
import { redactUrl } from '../call/redacted-url.ts'
import { IntegrationError, isIntegrationError } from '../errors.ts'
import { objectOption, shown, stringOption } from '../options.ts'
import {
  resilience,
  resilienceOptionNames,
  type ResilienceOptions,
  type ResilienceStack,
} from '../resilience.ts'
import { errorOfResponse } from './response-error.ts'

export interface ResilientHttpClientOptions extends ResilienceOptions {
  /** What relative urls are resolved against. Without it each url must be absolute. */
  baseUrl?: string | URL
  /** Sent with each request, unless the request has its own. */
  headers?: RequestInit['headers']
  /** What the stack is put on. Default: an Agent of the client's own, which `close()` closes. */
  dispatcher?: Dispatcher
}

/** The init of `fetch`, without the dispatcher: the client has its own. */
export type RequestOptions = Omit<RequestInit, 'dispatcher'>

/**
 * A client object for one integration: `fetch` with a base url, default headers and the whole stack, and with the
 * standard errors instead of responses that are not ok.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const hubspot = new ResilientHttpClient({ name: 'hubspot', baseUrl: 'https://api.hubapi.com', headers: { authorization } })
 * const response = await hubspot.request('/crm/v3/objects/contacts/1')
 */
export class ResilientHttpClient {
  readonly name: string
  readonly circuits: ResilienceStack['circuits']
  readonly deadLetters: ResilienceStack['deadLetters']
  readonly #stack: ResilienceStack
  readonly #base: URL | undefined
  readonly #headers: Headers
  readonly #dispatcher: Dispatcher
  readonly #ownAgent: Dispatcher | undefined
  #closing: Promise<void> | undefined

  constructor(options: ResilientHttpClientOptions = {}) {
    objectOption('ResilientHttpClient', options, [
      ...resilienceOptionNames,
      'baseUrl',
      'headers',
      'dispatcher',
    ])
    const { baseUrl, headers, dispatcher, ...resilienceOptions } = options
    const stack = resilience(resilienceOptions)
    this.#stack = stack
    this.name = stack.integration
    this.circuits = stack.circuits
    this.deadLetters = stack.deadLetters
    this.#base = baseUrl === undefined ? undefined : baseUrlOption(baseUrl)
    this.#headers = new Headers(headers)
    if (dispatcher !== undefined && typeof dispatcher.compose !== 'function') {
      throw new TypeError('`dispatcher` must be an undici Dispatcher with compose, got something else')
    }
    const base = dispatcher ?? new Agent()
    this.#ownAgent = dispatcher === undefined ? base : undefined
    this.#dispatcher = base.compose(stack, reportingCall)
  }

  /**
   * Sends a request with retries, circuit and dead letters.
   * @returns the response, when it is ok (200 to 299)
   * @throws RateLimitError for 429 after the last attempt, IntegrationError for any other response that is not ok and
   *   for network errors (as `cause`), CircuitBreakerOpenError, RequestTimeoutError; after an abort the signal's reason
   */
  async request(url: string | URL, init: RequestOptions = {}): Promise<Response> {
    const target = this.#resolve(url)
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
      integration: this.name,
      method,
      url: redactUrl(target.href),
      attempts: call?.attempt ?? 1,
      deadLetterId: call?.deadLetterId,
      verdict: call?.verdict,
    })
    init.signal?.throwIfAborted()
    throw failure
  }

  /**
   * Writes down what was captured and counted, closes the stack, and the client's own Agent once its responses are read.
   * @param options.timeoutMs the longest wait for all of it, in milliseconds; a response that
   *   is still unread then stays open until it ends or undici times it out. Default 5,000
   */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    return (this.#closing ??= this.#close(options))
  }

  async #close(options: { timeoutMs?: number }): Promise<void> {
    const deadline = performance.now() + (options.timeoutMs ?? 5_000)
    await this.#stack.close(options)
    if (this.#ownAgent === undefined) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, deadline - performance.now()))
    })
    await Promise.race([this.#ownAgent.close(), late])
    clearTimeout(timer)
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
    const cause = error instanceof TypeError && error.cause !== undefined ? error.cause : error
    if (isIntegrationError(cause)) return cause
    // the client's own refusal of bad arguments is no failure of the integration
    if (call === undefined || !(error instanceof Error)) return error
    const code = errorCode(cause)
    return new IntegrationError(`${method} ${url.origin}${url.pathname} failed: ${code ?? String(cause)}`, {
      code: 'ERR_NETWORK',
      integration: this.name,
      method,
      url: redactUrl(url.href),
      attempts: call.attempt,
      deadLetterId: call.deadLetterId,
      cause,
    })
  }
}

/** Outermost: tells the client of the call that it made, and not of one that an interceptor made meanwhile. */
const reportingCall = interceptor((dispatch) => (call, options, handler) => {
  call.scope?.onCall?.(call)
  return dispatch(options, handler)
})

function baseUrlOption(value: string | URL): URL {
  const text = value instanceof URL ? value.href : stringOption('baseUrl', value)
  if (!URL.canParse(text))
    throw new TypeError(`\`baseUrl\` must be an absolute http(s) url, got ${JSON.stringify(text)}`)
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new RangeError(`\`baseUrl\` must be an absolute http(s) url, got ${JSON.stringify(text)}`)
  }
  if (url.search !== '' || url.hash !== '') {
    throw new RangeError(`\`baseUrl\` must have no query and no fragment, got ${JSON.stringify(text)}`)
  }
  return url
}
