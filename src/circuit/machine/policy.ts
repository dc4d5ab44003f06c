import { type Counts, WINDOW_BUCKETS } from './window.ts'

/** When a circuit opens and closes: options with every default resolved; what the machine decides by. */
export interface CircuitPolicy {
  readonly failureThreshold: number
  readonly failureRate: number
  readonly minimumRequests: number
  readonly windowMs: number
  readonly timeoutMs: number
  readonly maxTimeoutMs: number
  readonly halfOpenMaxAttempts: number
  /** `Infinity` when slow calls do not count. */
  readonly slowCallMs: number
  /** 0 when slow calls do not count. */
  readonly slowCallRate: number
  /** Processes that must have failed before a shared circuit opens. */
  readonly quorum: number
  readonly probeTimeoutMs: number
  /** How long a probe's slot is kept for a process that no longer renews it. */
  readonly leaseMs: number
  /** The longest that a call waits in line; longer openings are waited out by none. */
  readonly maxWaitMs: number
  /** Calls that wait in line at once. */
  readonly maxWaiting: number
}

export function bucketMs(policy: CircuitPolicy): number {
  return Math.max(1, Math.ceil(policy.windowMs / WINDOW_BUCKETS))
}

/**
 * Whether at least half of the failures, or of the slow calls, are there that would open a circuit. Further away results
 * are in no hurry: no few of them decide.
 */
export function nearsThreshold(policy: CircuitPolicy, { total, failed, slow }: Counts): boolean {
  if (2 * failed >= policy.failureThreshold && 2 * failed >= policy.failureRate * total) return true
  return policy.slowCallRate > 0 && slow > 0 && 2 * slow >= policy.slowCallRate * total
}

/** How long the circuit stays open the `trips`-th time in a row: doubled at each failed recovery, up to a maximum. */
export function openMs(policy: CircuitPolicy, trips: number): number {
  return Math.min(policy.timeoutMs * 2 ** (trips - 1), policy.maxTimeoutMs)
}

/** The square of the standard normal quantile at 99 %, one-sided: how surely a sample must carry a rate. */
const SCORE = 5.4119

/**
 * Whether a sample surely carries a share of at least `rate`: all of it does, or the lower end of its Wilson interval is
 * not below `rate`. Written without a root, and to be evaluated in this order, so that every language with doubles comes
 * to the same verdict. Rate 0 is always carried, rate 1 only by all.
 *
 * @see https://doi.org/10.1080/01621459.1927.10502953 E. B. Wilson, Probable Inference (1927): the score test
 */
function carriesRate(total: number, hits: number, rate: number): boolean {
  if (hits >= total) return true
  const above = hits - rate * total
  return above >= 0 && above * above >= SCORE * total * rate * (1 - rate)
}

/** Whether these counts open a circuit, the quorum of reporters apart. */
export function reachesThreshold(
  policy: CircuitPolicy,
  total: number,
  failed: number,
  slow: number,
): boolean {
  if (total < policy.minimumRequests) return false
  if (failed >= policy.failureThreshold && carriesRate(total, failed, policy.failureRate)) return true
  return policy.slowCallRate > 0 && carriesRate(total, slow, policy.slowCallRate)
}
