import type { CallRequest } from '../call/call-request.ts'
import { type Checks, duration, integer, layer, number, oneOf, setOf, withDefault } from '../checks.ts'
import { idempotentMethods } from '../http/idempotent-methods.ts'
import { transientStatusCodes } from '../http/outcome.ts'
import { booleanOption, hookOption, stringOption } from '../options.ts'
import type { BackoffPolicy, Jitter } from './backoff.ts'
import type { RetryBudgetPolicy } from './budget/budget.ts'
import { retryBudgetChecks, type RetryBudgetOptions } from './budget/options.ts'

/** How calls that failed are sent again. */
export interface RetryOptions {
  /** Attempts in all, the first included. Default 5; 1 turns retries off. */
  maxAttempts?: number | undefined
  /** Base of the first wait, in milliseconds. Default 500. */
  initialBackoffMs?: number | undefined
  /** What the base grows by with each attempt. Default 2. */
  backoffMultiplier?: number | undefined
  /** The longest wait of our own, in milliseconds. Default 30,000. A provider may ask for more: `maxRetryAfterMs`. */
  maxBackoffMs?: number | undefined
  /** How a wait is spread. Default 'equal'. Never makes a wait shorter than what the provider asked for. */
  jitter?: Jitter | undefined
  /** Statuses that are worth another attempt, 400 to 599. Default 408, 425, 429, 500 to 504, 520 to 524, 529. */
  statusCodes?: readonly number[] | undefined
  /** Codes of network errors that are worth another attempt. Default: resets, refusals, DNS and timeouts. */
  errorCodes?: readonly string[] | undefined
  /** Methods that may be sent twice. Default GET, HEAD, OPTIONS, PUT, DELETE, TRACE, QUERY. */
  methods?: readonly string[] | undefined
  /**
   * Says that a request may be sent twice although its method does not: a POST that only searches, by its path or by its
   * recorded body. Asked at most once per call, when an attempt may have been acted on. Default: no other is.
   */
  isIdempotent?: ((request: CallRequest) => boolean) | undefined
  /** The longest wait that a provider may ask for, in milliseconds. Default 60,000. Beyond it the call ends. */
  maxRetryAfterMs?: number | undefined
  /** Decides about errors that `errorCodes` does not know; `undefined` leaves it to the codes. */
  isRetryableError?: ((error: Error) => boolean | undefined) | undefined
  /**
   * Makes calls whose method is not idempotent safe to retry: `true` makes a random key before the first attempt, a
   * function makes its own (or none). Sent as `Idempotency-Key` with every attempt and replay. Default false: only
   * useful where the provider honours it.
   */
  idempotencyKey?: boolean | ((request: CallRequest) => string | undefined) | undefined
  /** The most of a one-shot body that is kept for another attempt, in bytes. Default 1 MiB. Larger ones go once. */
  maxBodyBytes?: number | undefined
  /**
   * Bounds the load that retries add to an origin that fails: successes pay for them. What it refuses ends with the
   * failure as it was, and is captured with reason `budget`. A wait that the provider asks for costs nothing. On by
   * default; `false`: each call is tried again as often as `maxAttempts` says.
   */
  budget?: RetryBudgetOptions | false | undefined
}

/** Retry options with every default filled in. */
export interface RetryPolicy extends BackoffPolicy {
  readonly maxAttempts: number
  readonly statusCodes: ReadonlySet<number>
  readonly errorCodes: ReadonlySet<string>
  readonly methods: ReadonlySet<string>
  readonly maxRetryAfterMs: number
  readonly maxBodyBytes: number
  readonly budget: RetryBudgetPolicy | false
  readonly idempotencyKey: boolean | ((request: CallRequest) => string | undefined)
  readonly isIdempotent: ((request: CallRequest) => boolean) | undefined
  readonly isRetryableError: ((error: Error) => boolean | undefined) | undefined
}

const defaultErrorCodes: readonly string[] = [
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETDOWN',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  // a unix socket whose daemon restarts
  'ENOENT',
  // a proxy that drops CONNECT, or answers that it cannot reach the target
  'UND_ERR_PRX_CONN',
  'ERR_PROXY_REFUSED',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  // HTTP/2: a stream refused or reset, a session that ended, a timeout that undici reports as informational
  'ERR_HTTP2_STREAM_ERROR',
  'ERR_HTTP2_SESSION_ERROR',
  'ERR_HTTP2_GOAWAY_SESSION',
  'UND_ERR_INFO',
  // our own
  'ERR_TIMEOUT',
]

const jitters = ['full', 'equal', 'decorrelated', 'none'] as const

/** The options of retries: each with its bound and its default. */
export const retryChecks: Checks<RetryOptions, RetryPolicy> = {
  maxAttempts: withDefault(integer({ min: 1 }), 5),
  initialBackoffMs: withDefault(duration(), 500),
  backoffMultiplier: withDefault(number({ min: 1 }), 2),
  maxBackoffMs: withDefault(duration(), 30_000),
  jitter: withDefault(oneOf(...jitters), 'equal'),
  statusCodes: withDefault(setOf(integer({ min: 400, max: 599 })), new Set(transientStatusCodes)),
  errorCodes: withDefault(setOf(stringOption), new Set(defaultErrorCodes)),
  methods: withDefault(setOf(methodOption), new Set(idempotentMethods)),
  isIdempotent: hookOption,
  maxRetryAfterMs: withDefault(duration(), 60_000),
  isRetryableError: hookOption,
  idempotencyKey: withDefault(idempotencyKeyOption, false),
  maxBodyBytes: withDefault(integer(), 1_048_576),
  budget: layer(retryBudgetChecks),
}

function methodOption(name: string, value: unknown): string {
  return stringOption(name, value).toUpperCase()
}

function idempotencyKeyOption(name: string, value: unknown): RetryPolicy['idempotencyKey'] {
  if (typeof value !== 'function') return booleanOption(name, value)
  return hookOption<Exclude<RetryPolicy['idempotencyKey'], boolean>>(name, value) ?? false
}
