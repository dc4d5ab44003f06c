import type { GivenUp } from '../call/call-record.ts'
import type { Outcome } from '../call/outcome.ts'
import { backoffMs } from './backoff.ts'
import type { RetryPolicy } from './options.ts'
import { retryAfterOf } from '../call/retry-after.ts'

/** What a decision is made from. */
export interface RetryFacts {
  outcome: Outcome
  /** What `isRetryableError` said of an error. */
  retryableError?: boolean | undefined
  /** Number of the attempt that failed; the first is 1. */
  attempt: number
  /** The request may be sent twice: by its method, its idempotency key, or the user's word. */
  idempotent: boolean
  /** Another attempt would send the same body whole. */
  bodyReplayable: boolean
  /** The wait before the attempt that failed, in milliseconds; 0 at the first. */
  previousDelayMs: number
  /** What is left of the call's time, in milliseconds; Infinity without a deadline. */
  remainingMs: number
  /** Epoch milliseconds. */
  now: number
  /** In [0, 1). */
  random: number
}

export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number; readonly retryAfterMs: number | undefined }
  /** Not a failure that a retry is about: a success, or an answer that will not change. */
  | { readonly retry: false; readonly givenUp?: undefined }
  | { readonly retry: false; readonly givenUp: GivenUp }

const final: RetryDecision = { retry: false }

/** Whether to make another attempt, and after which wait. Pure: time and chance are passed in. */
export function decideRetry(policy: RetryPolicy, facts: RetryFacts): RetryDecision {
  const { outcome, now } = facts
  if (!isTransient(policy, outcome, facts.retryableError)) return final

  const retryAfterMs = askedWait(outcome, now)
  const giveUp = (reason: GivenUp['reason']): RetryDecision => ({
    retry: false,
    givenUp: { reason, notBefore: retryAfterMs === undefined ? undefined : now + retryAfterMs },
  })

  if (outcome.kind === 'response' && outcome.verdict?.notBefore !== undefined) {
    return { retry: false, givenUp: { reason: 'retry-after-too-long', notBefore: outcome.verdict.notBefore } }
  }
  // An open circuit ends the retries: it stays open longer than any backoff, and refuses at no cost.
  if (outcome.kind === 'error' && outcome.code === 'ERR_CIRCUIT_OPEN') return giveUp('circuit-open')
  if (!facts.idempotent && !surelyNotActed(outcome)) return giveUp('not-idempotent')
  if (!facts.bodyReplayable) return giveUp('body-not-replayable')
  if (facts.attempt >= policy.maxAttempts) return giveUp('exhausted')
  if (retryAfterMs !== undefined && retryAfterMs > policy.maxRetryAfterMs)
    return giveUp('retry-after-too-long')
  const backoff = backoffMs(policy, facts.attempt, facts.random, facts.previousDelayMs)
  const delayMs = Math.max(backoff, retryAfterMs ?? 0)
  if (delayMs >= facts.remainingMs) return giveUp('deadline')
  return { retry: true, delayMs, retryAfterMs }
}

function isTransient(policy: RetryPolicy, outcome: Outcome, said: boolean | undefined): boolean {
  if (outcome.kind === 'response') {
    const kind = outcome.verdict?.kind
    if (kind !== undefined) return kind === 'transient' || kind === 'rate-limited'
    return policy.statusCodes.has(outcome.statusCode)
  }
  if (outcome.code === 'ERR_CIRCUIT_OPEN') return true
  if (said !== undefined) return said
  if (outcome.statusCode !== undefined) return policy.statusCodes.has(outcome.statusCode)
  return outcome.code !== undefined && policy.errorCodes.has(outcome.code)
}

function askedWait(outcome: Outcome, now: number): number | undefined {
  if (outcome.kind === 'error') return undefined
  const ofHeaders = retryAfterOf(outcome.statusCode, outcome.headers, now)
  const ofVerdict = outcome.verdict?.retryAfterMs
  // a preset that read the provider's own headers knows better than the general rule, but Retry-After is never undercut
  if (ofVerdict === undefined) return ofHeaders
  return outcome.headers['retry-after'] === undefined ? ofVerdict : Math.max(ofVerdict, ofHeaders ?? 0)
}

/** Whether the server surely did not act, so that even a POST may be sent again. */
function surelyNotActed(outcome: Outcome): boolean {
  if (outcome.kind === 'error') return outcome.delivery === 'not_sent'
  const { verdict } = outcome
  if (verdict?.safeToRetry !== undefined) return verdict.safeToRetry
  return outcome.statusCode === 429 || verdict?.kind === 'rate-limited'
}
