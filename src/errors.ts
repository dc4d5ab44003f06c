/** Machine-readable reasons; stable across versions, unlike messages. */
export type IntegrationErrorCode =
  | 'ERR_INTEGRATION'
  | 'ERR_HTTP_STATUS'
  | 'ERR_RATE_LIMITED'
  | 'ERR_CIRCUIT_OPEN'
  | 'ERR_TIMEOUT'
  | 'ERR_NETWORK'

/** What every error of this package knows about the call that failed. */
export interface IntegrationErrorContext {
  /** The integration's name: the `name` option of the stack. */
  integration?: string | undefined
  method?: string | undefined
  /** Without userinfo, secret query values replaced by `[redacted]`. */
  url?: string | undefined
  /** Attempts made so far, the first included; 0 when none was let through. */
  attempts?: number | undefined
  statusCode?: number | undefined
  /** The provider's own code for the failure, as `classify` read it: `VALIDATION_ERROR`, `DAILY`. */
  providerCode?: string | undefined
  /** The provider's id for the request, where it sent one. */
  requestId?: string | undefined
  /** The record that `deadLetters.get(id)` returns. */
  deadLetterId?: string | undefined
  cause?: unknown
}

const brand = Symbol.for('undici-resilience.error')

/**
 * The parent of every error that this package makes. Through `fetch` it arrives as the `cause` of
 * `TypeError: fetch failed`; through `undici.request`, `withRetry`, `CircuitBreaker` and `ResilientHttpClient` as itself.
 *
 * @example
 * try { await client.request('/contacts') } catch (error) {
 *   if (isIntegrationError(error)) log.warn({ code: error.code, deadLetter: error.deadLetterId }, error.message)
 * }
 */
export class IntegrationError extends Error {
  readonly code: IntegrationErrorCode
  readonly integration: string | undefined
  readonly method: string | undefined
  readonly url: string | undefined
  readonly attempts: number
  readonly statusCode: number | undefined
  /** The provider's own code for the failure; `undefined` when it sent none, or no preset reads it. */
  readonly providerCode: string | undefined
  readonly requestId: string | undefined
  /** Set when the call was captured; writable because the capture happens after the error is made. */
  deadLetterId: string | undefined

  constructor(message: string, context: IntegrationErrorContext & { code?: IntegrationErrorCode } = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause })
    this.name = new.target.name
    this.code = context.code ?? 'ERR_INTEGRATION'
    this.integration = context.integration
    this.method = context.method
    this.url = context.url
    this.attempts = context.attempts ?? 0
    this.statusCode = context.statusCode
    this.providerCode = context.providerCode
    this.requestId = context.requestId
    this.deadLetterId = context.deadLetterId
    Object.defineProperty(this, brand, { value: true })
  }
}

/** The provider refused for now: status 429, or what a preset classified as a limit. */
export class RateLimitError extends IntegrationError {
  /** How long the provider asked to wait, in milliseconds; `undefined` when it did not say. */
  readonly retryAfterMs: number | undefined

  constructor(
    message: string,
    context: IntegrationErrorContext & { retryAfterMs?: number | undefined } = {},
  ) {
    super(message, { ...context, code: 'ERR_RATE_LIMITED' })
    this.retryAfterMs = context.retryAfterMs
  }
}

/** The circuit refused the call; nothing was sent. */
export class CircuitBreakerOpenError extends IntegrationError {
  /** The circuit's key: by default the origin. */
  readonly key: string
  /** When a probe may be let through, in milliseconds from now. */
  readonly retryAfterMs: number

  constructor(message: string, context: IntegrationErrorContext & { key: string; retryAfterMs: number }) {
    super(message, { ...context, code: 'ERR_CIRCUIT_OPEN' })
    this.key = context.key
    this.retryAfterMs = context.retryAfterMs
  }
}

/** An attempt, or the whole call, took longer than its timeout. */
export class RequestTimeoutError extends IntegrationError {
  readonly scope: 'attempt' | 'call'
  readonly timeoutMs: number

  constructor(
    message: string,
    context: IntegrationErrorContext & { scope: 'attempt' | 'call'; timeoutMs: number },
  ) {
    super(message, { ...context, code: 'ERR_TIMEOUT' })
    this.scope = context.scope
    this.timeoutMs = context.timeoutMs
  }
}

/**
 * Whether `error` was made by this package. Unlike `instanceof` it also holds across two installed copies.
 * For an error of `fetch`, ask about `error.cause`.
 */
export function isIntegrationError(error: unknown): error is IntegrationError {
  return typeof error === 'object' && error !== null && brand in error
}
