import type { IncomingHttpHeaders } from 'node:http'

/**
 * How sure it is that the server acted.
 * `not_sent`: surely not, the request never left. `unknown`: it may have. `responded`: it answered.
 */
export type Delivery = 'not_sent' | 'unknown' | 'responded'

/**
 * What a response means where its status alone does not say: the answer of the `classify` hook. Each field left out
 * is decided by the status.
 */
export interface Verdict {
  /**
   * `success` and `permanent` are never retried and never count against the circuit; `transient` is retried as far as
   * that is safe; `rate-limited` is retried whatever the method, since the server refused before it acted. Left out, the
   * status decides: `retry.statusCodes`, and 429 as a limit.
   */
  kind?: 'success' | 'transient' | 'permanent' | 'rate-limited'
  /** The least wait before the next attempt, in milliseconds. */
  retryAfterMs?: number
  /** The server surely did not act, so any method may be sent again. Default: true for `rate-limited`. */
  safeToRetry?: boolean
  /** Counts against the circuit. Default: `transient`, or no `kind`, with a status of 500 or more. */
  circuitFailure?: boolean
  /** Captured as a dead letter when final. Default: `transient` and `rate-limited`; without a `kind` by the status. */
  deadLetter?: boolean
  /**
   * What a dead letter says of delivery. `unknown` for an answer that leaves open whether the server acted: a 5xx to a
   * booking. Such an entry is not replayed without a decision. Default `responded`.
   */
  delivery?: 'unknown' | 'responded'
  /** The earliest time for a replay, epoch milliseconds: a quota that resets tomorrow. The call ends at once. */
  notBefore?: number
  /** The provider's own code and message, for errors and records. */
  code?: string
  message?: string
  requestId?: string
}

/** What came of an attempt, as policies and hooks see it. A cancellation by the caller is no outcome. */
export type Outcome =
  | {
      readonly kind: 'response'
      readonly statusCode: number
      readonly headers: IncomingHttpHeaders
      readonly verdict?: Verdict | undefined
    }
  | {
      readonly kind: 'error'
      readonly error: Error
      /** Code of the error or of its nearest cause: `ECONNRESET`, `ERR_TIMEOUT`. */
      readonly code: string | undefined
      readonly delivery: Delivery
      /** An interceptor under ours made an error of a response: undici's `responseError()`. */
      readonly statusCode?: number | undefined
    }

/** Errors of the phase before the connection stood: nothing can have been sent. */
const connectPhase = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETDOWN',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_PROXY_REFUSED',
  'ERR_CIRCUIT_OPEN',
])

interface ErrorFacts {
  message?: unknown
  code?: unknown
  syscall?: unknown
  cause?: unknown
  errors?: unknown
  http2ErrorCode?: unknown
}

/** The request itself was wrong, or the dispatcher was closed: nothing that the server did. */
const callerFaults = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'UND_MOCK_ERR_MOCK_NOT_MATCHED',
])

/** The code of an error, else of its cause, else of the first of its parts (an `AggregateError` of a dual-stack connect). */
export function errorCode(error: unknown, depth = 0): string | undefined {
  if (typeof error !== 'object' || error === null || depth > 4) return undefined
  const facts = error as ErrorFacts
  // undici reports a proxy that refused the tunnel like an abort of the caller
  if (facts.code === 'UND_ERR_ABORTED' && String(facts.message).startsWith('Proxy response ('))
    return 'ERR_PROXY_REFUSED'
  if (typeof facts.code === 'string') return facts.code
  return (
    errorCode(facts.cause, depth + 1) ??
    errorCode(Array.isArray(facts.errors) ? facts.errors[0] : undefined, depth + 1)
  )
}

/**
 * What an error says of delivery. `started` is whether a connection had taken the attempt up: our own timeout of an
 * attempt that still waited for a connection is `not_sent`.
 */
export function deliveryOfError(error: unknown, started: boolean): Delivery {
  const code = errorCode(error)
  if (code !== undefined && connectPhase.has(code)) return 'not_sent'
  if (typeof error === 'object' && error !== null) {
    const facts = error as ErrorFacts
    if (facts.syscall === 'connect') return 'not_sent'
    // RFC 9113, 8.7: a stream refused with REFUSED_STREAM was not processed
    if (facts.http2ErrorCode === 7) return 'not_sent'
  }
  if (!started && code !== undefined && (code === 'ERR_TIMEOUT' || callerFaults.has(code))) return 'not_sent'
  return 'unknown'
}

export function errorOutcome(error: Error, started: boolean): Outcome {
  const { statusCode } = error as { statusCode?: unknown }
  const answered = typeof statusCode === 'number' && statusCode >= 100
  return {
    kind: 'error',
    error,
    code: errorCode(error),
    delivery: answered ? 'responded' : deliveryOfError(error, started),
    ...(answered ? { statusCode } : {}),
  }
}

export function responseOutcome(
  statusCode: number,
  headers: IncomingHttpHeaders,
  verdict?: Verdict,
): Outcome {
  return { kind: 'response', statusCode, headers, verdict }
}

/** The statuses that say "not now": the default of `statusCodes`, and what a dead letter is captured for. */
export const transientStatusCodes: readonly number[] = [408, 429, 500, 501, 502, 503, 504]

/** Whether the outcome counts against a circuit, unless the user says otherwise: network errors, timeouts and 5xx. */
export function isCircuitFailure(outcome: Outcome): boolean {
  if (outcome.kind === 'error') {
    if (outcome.statusCode !== undefined) return outcome.statusCode >= 500
    return (
      outcome.code === undefined || (outcome.code !== 'ERR_CIRCUIT_OPEN' && !callerFaults.has(outcome.code))
    )
  }
  const { verdict, statusCode } = outcome
  if (verdict?.circuitFailure !== undefined) return verdict.circuitFailure
  return statusCode >= 500 && (verdict?.kind === undefined || verdict.kind === 'transient')
}
