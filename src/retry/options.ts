import { headerValueOption } from '../call/call-options.ts'
import type { CallRequest } from '../call/call-request.ts'
import { transientStatusCodes } from '../call/outcome.ts'
import {
  arrayOption,
  booleanOption,
  durationOption,
  functionOption,
  integerOption,
  numberOption,
  objectOption,
  oneOfOption,
  stringOption,
} from '../options.ts'
import type { BackoffPolicy, Jitter } from './backoff.ts'

export interface RetryOptions {
  /** Attempts in all, the first included. Default 4; 1 turns retries off. */
  maxAttempts?: number
  /** Base of the first wait, in milliseconds. Default 500. */
  initialBackoffMs?: number
  /** What the base grows by with each attempt. Default 2. */
  backoffMultiplier?: number
  /** The longest wait of our own, in milliseconds. Default 30,000. A provider may ask for more: `maxRetryAfterMs`. */
  maxBackoffMs?: number
  /** How a wait is spread. Default 'full'. Never makes a wait shorter than what the provider asked for. */
  jitter?: Jitter
  /** Statuses that are worth another attempt, 400 to 599. Default 408, 429, 500, 501, 502, 503, 504. */
  statusCodes?: readonly number[]
  /** Codes of network errors that are worth another attempt. Default: resets, refusals, DNS and timeouts. */
  errorCodes?: readonly string[]
  /** Methods that may be sent twice. Default GET, HEAD, OPTIONS, PUT, DELETE, TRACE, QUERY. */
  methods?: readonly string[]
  /** Says that a request may be sent twice although its method does not: a POST that only searches. */
  isIdempotent?: (request: CallRequest) => boolean
  /** The longest wait that a provider may ask for, in milliseconds. Default 60,000. Beyond it the call ends. */
  maxRetryAfterMs?: number
  /** Decides about errors that `errorCodes` does not know; `undefined` leaves it to the codes. */
  isRetryableError?: (error: Error) => boolean | undefined
  /**
   * Makes calls whose method is not idempotent safe to retry: `true` makes a random key before the first attempt, a
   * function makes its own (or none). Sent as `Idempotency-Key` with every attempt and replay. Default false: only
   * useful where the provider honours it.
   */
  idempotencyKey?: boolean | ((request: CallRequest) => string | undefined)
  /** The most of a one-shot body that is kept for another attempt, in bytes. Default 1 MiB. Larger ones go once. */
  maxBodyBytes?: number
}

/** Retry options with every default filled in. */
export interface RetryPolicy extends BackoffPolicy {
  readonly maxAttempts: number
  readonly statusCodes: ReadonlySet<number>
  readonly errorCodes: ReadonlySet<string>
  readonly methods: ReadonlySet<string>
  readonly maxRetryAfterMs: number
  readonly maxBodyBytes: number
  readonly idempotencyKey: boolean | ((request: CallRequest) => string | undefined)
  readonly isIdempotent: ((request: CallRequest) => boolean) | undefined
  readonly isRetryableError: ((error: Error) => boolean | undefined) | undefined
}

export const defaultErrorCodes: readonly string[] = [
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
  // a proxy that refuses the tunnel
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

/** RFC 9110, 9.2.2, and QUERY (a safe method with a body). */
export const idempotentMethods: readonly string[] = [
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'TRACE',
  'QUERY',
]

export const retryOptionNames: readonly (keyof RetryOptions)[] = [
  'maxAttempts',
  'initialBackoffMs',
  'backoffMultiplier',
  'maxBackoffMs',
  'jitter',
  'statusCodes',
  'errorCodes',
  'methods',
  'isIdempotent',
  'maxRetryAfterMs',
  'isRetryableError',
  'idempotencyKey',
  'maxBodyBytes',
]

const jitters: readonly Jitter[] = ['full', 'equal', 'decorrelated', 'none']

/**
 * Checks options and fills in the defaults.
 * @throws TypeError, RangeError naming option, bound and value
 */
export function resolveRetryOptions(options: RetryOptions): RetryPolicy {
  objectOption('retry', options, retryOptionNames)
  return {
    maxAttempts: integerOption('maxAttempts', options.maxAttempts ?? 4, { min: 1 }),
    initialBackoffMs: durationOption('initialBackoffMs', options.initialBackoffMs ?? 500),
    backoffMultiplier: numberOption('backoffMultiplier', options.backoffMultiplier ?? 2, { min: 1 }),
    maxBackoffMs: durationOption('maxBackoffMs', options.maxBackoffMs ?? 30_000),
    jitter: oneOfOption('jitter', options.jitter ?? 'full', jitters),
    statusCodes: new Set(
      arrayOption('statusCodes', options.statusCodes ?? transientStatusCodes, statusOption),
    ),
    errorCodes: new Set(arrayOption('errorCodes', options.errorCodes ?? defaultErrorCodes, stringOption)),
    methods: new Set(
      arrayOption('methods', options.methods ?? idempotentMethods, stringOption).map((method) =>
        method.toUpperCase(),
      ),
    ),
    maxRetryAfterMs: durationOption('maxRetryAfterMs', options.maxRetryAfterMs ?? 60_000),
    maxBodyBytes: integerOption('maxBodyBytes', options.maxBodyBytes ?? 1_048_576, { min: 0 }),
    idempotencyKey:
      typeof options.idempotencyKey === 'function'
        ? options.idempotencyKey
        : booleanOption('idempotencyKey', options.idempotencyKey ?? false),
    isIdempotent: functionOption('isIdempotent', options.isIdempotent),
    isRetryableError: functionOption('isRetryableError', options.isRetryableError),
  }
}

function statusOption(name: string, value: unknown): number {
  return integerOption(name, value, { min: 400, max: 599 })
}

/** A key made by the user's function, checked: a bad one must not reach a header. */
export function madeKey(value: string | undefined): string | undefined {
  return value === undefined ? undefined : headerValueOption('idempotencyKey', value)
}
