import type { GivenUp } from '../call/call-record.ts'
import { type Delivery, isRefusalOfOurs } from '../http/delivery.ts'
import type { Outcome } from '../http/outcome.ts'
import { askedWaitByVerdict } from '../http/waits/asked-wait.ts'
import { backoffMs } from './backoff.ts'
import type { RetryPolicy } from './options.ts'
import { bodyIsGone, noRoomInTime, quotaIsUsedUp, waitIsTooLong, whyGivenUp } from './why-given-up.ts'

/** What a decision is made from. */
export interface RetryFacts {
  outcome: Outcome
  /** What `isRetryableError` said of an error. */
  retryableError?: boolean | undefined
  /** Number of the attempt that failed, or of the turn that its call let pass since; the first is 1. */
  attempt: number
  /** The request may be sent twice: by its method, its idempotency key, or `isIdempotent`. */
  repeatable: boolean
  /** Another attempt would send the same body whole. */
  bodyRereadable: boolean
  /** The wait before the attempt that failed, in milliseconds; 0 at the first. */
  previousDelayMs: number
  /** What is left of the call's time, in milliseconds; Infinity without a deadline. */
  remainingMs: number
  /** The stack is being closed: nothing may wait any more. */
  closing?: boolean | undefined
  /** Epoch milliseconds. */
  now: number
  /** In [0, 1). */
  random: number
}

export type RetryDecision =
  | {
      readonly retry: true
      readonly delayMs: number
      readonly retryAfterMs: number | undefined
      /** It is to be taken from the budget: the provider has not said when to come back. */
      readonly costs: boolean
    }
  /** Not a failure that a retry is about: a success, or an answer that will not change. */
  | { readonly retry: false; readonly givenUp?: undefined }
  | { readonly retry: false; readonly givenUp: GivenUp }

const final: RetryDecision = { retry: false }

/** Whether to make another attempt, and after which wait. Pure: time and chance are passed in. */
export function decideRetry(policy: RetryPolicy, facts: RetryFacts): RetryDecision {
  const { outcome, now } = facts
  if (!isTransient(policy, outcome, facts.retryableError)) return final

  const retryAfterMs = askedWait(outcome, now)
  const giveUp = (reason: GivenUp['reason'], why = whyGivenUp[reason]): RetryDecision => ({
    retry: false,
    givenUp: { reason, why, notBefore: retryAfterMs === undefined ? undefined : now + retryAfterMs },
  })

  if (outcome.kind === 'response' && outcome.verdict?.notBefore !== undefined) {
    const { notBefore } = outcome.verdict
    return { retry: false, givenUp: { reason: 'rate-limited', why: quotaIsUsedUp, notBefore } }
  }
  // An open circuit ends the retries: it stays open longer than any backoff, and refuses at no cost.
  if (outcome.kind === 'error' && outcome.code === 'ERR_CIRCUIT_OPEN') return giveUp('circuit-open')
  // A rate limit or a bulkhead has let the call wait already, as long as it may.
  if (isRefusal(outcome)) return giveUp('rate-limited', noRoomInTime)
  if (outcome.kind === 'error' && outcome.code === 'ERR_SHUTDOWN') return giveUp('shutdown')
  if (!surelyNotActed(outcome) && !facts.repeatable) return giveUp('not-repeatable')
  if (!facts.bodyRereadable) return giveUp('not-repeatable', bodyIsGone)
  if (facts.attempt >= policy.maxAttempts) return giveUp('exhausted')
  if (retryAfterMs !== undefined && retryAfterMs > policy.maxRetryAfterMs) {
    return giveUp('rate-limited', waitIsTooLong)
  }
  const backoff = backoffMs(policy, facts.attempt, facts.random, facts.previousDelayMs)
  const delayMs = Math.max(backoff, retryAfterMs ?? 0)
  if (delayMs >= facts.remainingMs) return giveUp('deadline')
  if (facts.closing === true) return giveUp('shutdown')
  const costs = !((retryAfterMs ?? 0) > 0)
  return { retry: true, delayMs, retryAfterMs, costs }
}

function isTransient(policy: RetryPolicy, outcome: Outcome, said: boolean | undefined): boolean {
  if (outcome.kind === 'response') {
    const kind = outcome.verdict?.kind
    if (kind !== undefined) return kind === 'transient' || kind === 'rate-limited'
    return policy.statusCodes.has(outcome.statusCode)
  }
  if (wasKeptBack(outcome)) return true
  if (said !== undefined) return said
  if (outcome.statusCode !== undefined) return policy.statusCodes.has(outcome.statusCode)
  return outcome.code !== undefined && isTransientCode(policy, outcome.code, outcome.delivery)
}

/** `ENOENT` is meant of a unix socket whose daemon restarts, and not of a file that whoever asks wanted to read. */
export function isTransientCode(policy: RetryPolicy, code: string, delivery: Delivery): boolean {
  return policy.errorCodes.has(code) && (code !== 'ENOENT' || delivery === 'not-sent')
}

/** A layer of ours did not let it through, or was closed while it waited there. */
export function wasKeptBack(outcome: Outcome): boolean {
  return isRefusal(outcome) || (outcome.kind === 'error' && outcome.code === 'ERR_SHUTDOWN')
}

/** An open circuit, a rate limit or a bulkhead did not let it through. */
function isRefusal(outcome: Outcome): boolean {
  return outcome.kind === 'error' && isRefusalOfOurs(outcome.code, outcome.statusCode)
}

function askedWait(outcome: Outcome, now: number): number | undefined {
  const { statusCode, headers = {} } = outcome
  if (statusCode === undefined) return isRefusal(outcome) ? refusedFor(outcome) : undefined
  return askedWaitByVerdict(statusCode, headers, outcome.kind === 'error' ? undefined : outcome.verdict, now)
}

/** How long a rate limit wants the call to wait; an open circuit says when it probes, which is no wish of the provider. */
function refusedFor(outcome: Outcome): number | undefined {
  if (outcome.kind !== 'error' || outcome.code !== 'ERR_RATE_LIMITED') return undefined
  const { retryAfterMs } = outcome.error as { retryAfterMs?: unknown }
  return typeof retryAfterMs === 'number' ? retryAfterMs : undefined
}

/** Whether the server surely did not act, so that even a POST may be sent again. */
function surelyNotActed(outcome: Outcome): boolean {
  if (outcome.kind === 'error') return outcome.delivery === 'not-sent' || outcome.statusCode === 429
  const { verdict } = outcome
  if (verdict?.safeToRetry !== undefined) return verdict.safeToRetry
  return outcome.statusCode === 429 || verdict?.kind === 'rate-limited'
}
