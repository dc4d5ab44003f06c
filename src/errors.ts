import { types } from 'node:util'

/** Machine-readable reasons; stable across versions, unlike messages. */
export type IntegrationErrorCode =
  | 'ERR_INTEGRATION'
  | 'ERR_HTTP_STATUS'
  | 'ERR_RATE_LIMITED'
  | 'ERR_CIRCUIT_OPEN'
  | 'ERR_BULKHEAD_FULL'
  | 'ERR_TIMEOUT'
  | 'ERR_NETWORK'
  | 'ERR_SHUTDOWN'
  | 'ERR_WEBHOOK_SIGNATURE'

/** What every error of this package knows about the call that failed. */
export interface IntegrationErrorContext {
  /** The `integration` option of the stack. */
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
  /** Which kind of failure. */
  readonly code: IntegrationErrorCode
  /** The `integration` option of the stack. */
  readonly integration: string | undefined
  readonly method: string | undefined
  /** Redacted, as in logs. */
  readonly url: string | undefined
  /** Attempts made so far, the first included; 0 when none was let through. */
  readonly attempts: number
  /** Of the final response; `undefined` when there was none. */
  readonly statusCode: number | undefined
  /** The provider's own code for the failure; `undefined` when it sent none, or no preset reads it. */
  readonly providerCode: string | undefined
  /** The provider's id for the request; `undefined` when it sent none. */
  readonly requestId: string | undefined
  /** Set when the call was captured; writable because the capture happens after the error is made. */
  deadLetterId: string | undefined

  constructor(
    message: string,
    context: IntegrationErrorContext & { code?: IntegrationErrorCode | undefined } = {},
  ) {
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

/**
 * A rate limit: the provider refused for now (status 429, or what a preset classified as a limit), or the call was not
 * sent, since the provider had asked to wait or the budget was used up. Then it has no `statusCode`.
 */
export class RateLimitError extends IntegrationError {
  /** How long to wait, in milliseconds: what the provider asked for; `undefined` when it did not say. */
  readonly retryAfterMs: number | undefined
  /** `provider`: its answer, or a cool-down that it asked for. `limiter`: no permit would have come in time. */
  readonly refusedBy: 'provider' | 'limiter'

  constructor(
    message: string,
    context: IntegrationErrorContext & {
      retryAfterMs?: number | undefined
      refusedBy?: 'provider' | 'limiter' | undefined
    } = {},
  ) {
    super(message, { ...context, code: 'ERR_RATE_LIMITED' })
    this.retryAfterMs = context.retryAfterMs
    this.refusedBy = context.refusedBy ?? 'provider'
  }
}

/** The circuit refused the call; nothing was sent. */
export class CircuitBreakerOpenError extends IntegrationError {
  /** The circuit's key: by default the origin. */
  readonly key: string
  /**
   * When a probe may be let through, in milliseconds from now. Of a circuit that an operator has isolated, which opens at no
   * time of its own: `timeoutMs`.
   */
  readonly retryAfterMs: number

  constructor(message: string, context: IntegrationErrorContext & { key: string; retryAfterMs: number }) {
    super(message, { ...context, code: 'ERR_CIRCUIT_OPEN' })
    this.key = context.key
    this.retryAfterMs = context.retryAfterMs
  }
}

/** Too many calls of the key were in flight, and the call could not wait for a slot; nothing was sent. */
export class BulkheadFullError extends IntegrationError {
  /** Whose slots are taken: by default the origin. */
  readonly key: string

  constructor(message: string, context: IntegrationErrorContext & { key: string }) {
    super(message, { ...context, code: 'ERR_BULKHEAD_FULL' })
    this.key = context.key
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

/** `close()` ended the wait of a call that had failed or was not let through yet; its dead letter has the same reason. */
export class ShutdownError extends IntegrationError {
  constructor(message: string, context: IntegrationErrorContext = {}) {
    super(message, { ...context, code: 'ERR_SHUTDOWN' })
  }
}

/**
 * What an error is about, for the start of its message: `hubspot: GET https://api.hubapi.com/contacts`. Messages of one
 * kind are the same, so that they group: what changes from call to call (the query, milliseconds, attempts) is in fields.
 *
 * @param context with the url as it may be told
 */
export function subjectOf({ integration, method, url }: IntegrationErrorContext): string {
  const request = [method, url?.split('?', 1)[0]]
    .filter((part) => part !== undefined && part !== '')
    .join(' ')
  return [integration, request].filter((part) => part !== undefined && part !== '').join(': ')
}

/**
 * Gives an error that a timer made, and whose own stack says nothing, that of whoever awaits the call. To be called after
 * an `await` of the async function that the caller awaits: there V8 knows it, and it costs only a call that failed.
 */
export function addCallerStack<Thrown>(error: Thrown): Thrown {
  if (isIntegrationError(error)) Error.captureStackTrace(error, addCallerStack)
  return error
}

/** What was thrown, as an Error: itself, or one whose `cause` it is. */
export function asError(thrown: unknown): Error {
  if (isError(thrown)) return thrown
  const text = typeof thrown === 'object' && thrown !== null ? 'an object that is no Error' : String(thrown)
  return new Error(text, { cause: thrown })
}

/** Unlike `instanceof` also for errors of another realm, as those of Node itself are to a module that Jest has loaded. */
export function isError(value: unknown): value is Error {
  return (
    // eslint-disable-next-line no-restricted-syntax -- the rule's own home
    value instanceof Error ||
    types.isNativeError(value) ||
    Object.prototype.toString.call(value) === '[object DOMException]'
  )
}

/**
 * Whether `error` was made by this package. Unlike `instanceof` it also holds across two installed copies.
 * For an error of `fetch`, ask about `error.cause`.
 */
export function isIntegrationError(error: unknown): error is IntegrationError {
  return typeof error === 'object' && error !== null && brand in error
}

/** What a caller's handler threw: it must hit neither who waits behind it, nor the call whose answer is being read. */
export function throwApart(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
