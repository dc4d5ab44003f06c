import type { IncomingHttpHeaders } from 'node:http'
import { asError } from '../errors.ts'
import { type Delivery, deliveryOfError, deliveryOfStatus, errorCode, isCallersOwn } from './delivery.ts'
import { errorHeaders, errorStatus } from './error-status.ts'

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
   * booking. Such an entry is not replayed without a decision. Default: by the status, `unknown` for those of a gateway
   * that had no answer (408, 502, 504, 520, 524); with another `kind` than `transient`, or `safeToRetry`, `responded`.
   */
  delivery?: 'unknown' | 'responded'
  /** The earliest time for a replay, epoch milliseconds: a quota that resets tomorrow. The call ends at once. */
  notBefore?: number
  /** The provider's own code and message, for errors and records. */
  code?: string
  message?: string
  requestId?: string
}

export interface ResponseOutcome {
  readonly kind: 'response'
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  readonly verdict?: Verdict | undefined
}

/** What came of an attempt, as policies and hooks see it. A cancellation by the caller is no outcome. */
export type Outcome =
  | ResponseOutcome
  | {
      readonly kind: 'error'
      readonly error: Error
      /** Code of the error or of its nearest cause: `ECONNRESET`, `ERR_TIMEOUT`. */
      readonly code: string | undefined
      readonly delivery: Delivery
      /** An interceptor under ours made an error of a response: undici's `responseError()`. */
      readonly statusCode?: number | undefined
      /** Those of that response. */
      readonly headers?: IncomingHttpHeaders | undefined
    }

/** @param started,atOnce as `deliveryOfError` has them */
export function errorOutcome(thrown: unknown, started: boolean, atOnce = false): Outcome {
  const statusCode = errorStatus(thrown)
  return {
    kind: 'error',
    error: asError(thrown),
    code: errorCode(thrown),
    delivery:
      statusCode === undefined ? deliveryOfError(thrown, started, atOnce) : deliveryOfStatus(statusCode),
    ...(statusCode === undefined ? {} : { statusCode, headers: errorHeaders(thrown) }),
  }
}

export function responseOutcome(
  statusCode: number,
  headers: IncomingHttpHeaders,
  verdict?: Verdict,
): ResponseOutcome {
  return { kind: 'response', statusCode, headers, verdict }
}

/**
 * The statuses that say "not now": the default of `statusCodes`, and what a dead letter is captured for. 425: RFC 8470,
 * and what APIs answer while they still work on the same request. 520 to 524: Cloudflare could not get an answer of the
 * origin. 529: Anthropic and others, overloaded. None but 429 says that the server did not act.
 *
 * @see https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
 */
export const transientStatusCodes: readonly number[] = [
  408, 425, 429, 500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 529,
]

/** How sure it is after an outcome that the server acted: of a response by its verdict, else by its status. */
export function deliveryOfOutcome(outcome: Outcome): Delivery {
  if (outcome.kind === 'error') return outcome.delivery
  const { statusCode, verdict } = outcome
  if (verdict?.delivery !== undefined) return verdict.delivery
  const { kind = 'transient', safeToRetry = false } = verdict ?? {}
  return kind !== 'transient' || safeToRetry ? 'responded' : deliveryOfStatus(statusCode)
}

/** Whether the outcome counts against a circuit, unless the user says otherwise: network errors, timeouts and 5xx. */
export function isCircuitFailure(outcome: Outcome): boolean {
  if (outcome.kind === 'error') {
    if (outcome.statusCode !== undefined) return outcome.statusCode >= 500
    return !isCallersOwn(outcome.code)
  }
  const { verdict, statusCode } = outcome
  if (verdict?.circuitFailure !== undefined) return verdict.circuitFailure
  return statusCode >= 500 && (verdict?.kind === undefined || verdict.kind === 'transient')
}
