import type { Delivery } from '../call/outcome.ts'
import { isRepeatable, type DeadLetter, type DeadLetterReplay } from './record.ts'
import type { Settlement } from './store.ts'

/** What came of sending an entry. */
export type ReplayOutcome =
  | { readonly kind: 'response'; readonly statusCode: number; readonly retryAfterMs: number | undefined }
  | { readonly kind: 'open'; readonly retryAfterMs: number }
  | { readonly kind: 'error'; readonly code: string; readonly delivery: Delivery }

export interface ReplayPolicy {
  readonly maxReplays: number
  readonly initialBackoffMs: number
  readonly maxBackoffMs: number
}

/** The wait before the next replay: doubles with each one used up, spread over its upper half. */
export function replayDelay(policy: ReplayPolicy, replayCount: number, random: number): number {
  const base = Math.min(policy.maxBackoffMs, policy.initialBackoffMs * 2 ** Math.min(replayCount, 30))
  return Math.round(base / 2 + (base / 2) * random)
}

/** How a replay is settled. */
export function settleReplay(
  entry: DeadLetter,
  outcome: ReplayOutcome,
  timing: { readonly at: number; readonly ms: number; readonly random: number },
  policy: ReplayPolicy,
): Settlement {
  const delayMs = replayDelay(policy, entry.replayCount, timing.random)
  const base = { at: timing.at, ms: Math.max(0, Math.round(timing.ms)) }
  // nothing was sent: an outage of the provider must not use up the replays
  if (outcome.kind === 'open') return { outcome: 'later', delayMs: Math.max(outcome.retryAfterMs, 1000) }
  if (outcome.kind === 'error') {
    const replay: DeadLetterReplay = { ...base, outcome: 'failed', code: outcome.code.slice(0, 256) }
    if (outcome.delivery === 'not_sent') {
      return { outcome: 'later', delayMs, replay: { ...replay, outcome: 'refused' } }
    }
    if (isRepeatable(entry)) return { outcome: 'failed', replay, delayMs, maxReplays: policy.maxReplays }
    const note = `may have been sent: ${outcome.code.slice(0, 200)}`
    return { outcome: 'in_doubt', replay: { ...replay, outcome: 'in_doubt' }, note }
  }
  const { statusCode } = outcome
  if (statusCode < 300 || statusCode === 303 || statusCode === 304) {
    return { outcome: 'done', replay: { ...base, outcome: 'done', statusCode } }
  }
  const wait = Math.max(delayMs, outcome.retryAfterMs ?? 0)
  const replay: DeadLetterReplay = { ...base, outcome: 'failed', statusCode }
  if (statusCode === 429) return { outcome: 'later', delayMs: wait, replay }
  if (
    statusCode >= 500 ||
    statusCode === 408 ||
    statusCode === 425 ||
    statusCode === 401 ||
    statusCode === 403
  ) {
    return { outcome: 'failed', replay, delayMs: wait, maxReplays: policy.maxReplays }
  }
  const note =
    statusCode < 400
      ? `redirected with ${statusCode}, which a replay does not follow`
      : `refused with ${statusCode}`
  return { outcome: 'quarantined', replay: { ...replay, outcome: 'refused' }, note }
}

export interface HoldRules {
  readonly unknownDelivery: 'hold' | 'replay'
  readonly idempotencyKeyLifetimeMs: number
}

/** What is not sent without a decision: it may have arrived, and a second one would be a duplicate. */
export function holdBack(
  entry: DeadLetter,
  { unknownDelivery, idempotencyKeyLifetimeMs }: HoldRules,
  now: number,
): (Settlement & { outcome: 'in_doubt' }) | undefined {
  if (unknownDelivery === 'replay' || isRepeatable({ ...entry, idempotencyKey: undefined })) return undefined
  const since = mayHaveArrivedAt(entry)
  if (since === undefined) return undefined
  if (entry.idempotencyKey !== undefined && now - since <= idempotencyKeyLifetimeMs) return undefined
  const why =
    entry.idempotencyKey === undefined
      ? 'has no idempotency key'
      : `its idempotency key was first sent over ${idempotencyKeyLifetimeMs} ms ago, so the provider may have forgotten it`
  return {
    outcome: 'in_doubt',
    replay: { at: now, outcome: 'refused' },
    note: `it may have arrived, is not idempotent and ${why}`,
  }
}

/** When it first may have arrived without an answer, in an attempt or in a replay. */
function mayHaveArrivedAt(entry: DeadLetter): number | undefined {
  if (entry.delivery === 'unknown') return entry.firstAttemptAt ?? entry.timestamp
  if (entry.idempotencyKey === undefined) return undefined
  return entry.replays.find(
    ({ outcome, statusCode }) => outcome === 'lapsed' || (outcome === 'failed' && statusCode === undefined),
  )?.at
}
