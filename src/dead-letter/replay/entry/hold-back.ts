import { isUnanswered } from '../../../http/in-progress.ts'
import { type DeadLetter, idempotencyKeyOf, isRepeatable } from '../../record/record.ts'
import type { Settlement } from '../../store/settlement.ts'

export interface HoldRules {
  readonly unknownDelivery: 'hold' | 'replay'
  readonly idempotencyKeyLifetimeMs: number
}

/** Holds back what must not be sent without a person's decision: it may have arrived, and would be a duplicate. */
export function holdBack(
  entry: DeadLetter,
  { unknownDelivery, idempotencyKeyLifetimeMs }: HoldRules,
  now: number,
): (Settlement & { outcome: 'in-doubt' }) | undefined {
  if (unknownDelivery === 'replay' || isRepeatable({ ...entry, idempotencyKey: undefined })) return undefined
  const since = mayHaveArrivedAt(entry)
  if (since === undefined) return undefined
  const key = idempotencyKeyOf(entry)
  if (key !== undefined && now - since <= idempotencyKeyLifetimeMs) return undefined
  const why =
    key === undefined
      ? 'has no idempotency key'
      : `its idempotency key was first sent over ${idempotencyKeyLifetimeMs} ms ago, so the provider may have forgotten it`
  return {
    outcome: 'in-doubt',
    replay: { at: now, outcome: 'refused' },
    note: `it may have arrived, is not repeatable and ${why}`,
  }
}

/** When it first may have arrived without an answer, in an attempt or in a replay. */
export function mayHaveArrivedAt(entry: DeadLetter): number | undefined {
  if (entry.delivery === 'unknown') return entry.firstAttemptAt ?? entry.timestamp
  if (idempotencyKeyOf(entry) === undefined) return undefined
  return entry.replays.find(
    (replay) =>
      replay.outcome === 'lapsed' ||
      (replay.outcome === 'failed' && (replay.statusCode === undefined || isUnanswered(replay))),
  )?.at
}
