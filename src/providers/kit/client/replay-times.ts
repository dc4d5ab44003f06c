import type { ReplayOptions } from '../../../dead-letter/replay/options.ts'

type ReplayTimes = Pick<ReplayOptions, 'timeoutMs' | 'leaseMs'>

const DAY_MS = 86_400_000

/**
 * How long a request of a replay may take: longer than an attempt of a call, whose timeout stands under it, since what is
 * cut off before the provider's own limit may have been done. Nothing where the caller has said one of the two.
 */
export function replayTimes(attemptTimeoutMs: number | undefined, given: ReplayTimes): ReplayTimes {
  if (given.timeoutMs !== undefined || given.leaseMs !== undefined) return {}
  const timeoutMs = Math.min(DAY_MS, Math.max(30_000, (attemptTimeoutMs ?? 0) + 1_000))
  return { timeoutMs, leaseMs: 2 * timeoutMs }
}
