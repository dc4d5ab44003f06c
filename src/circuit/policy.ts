import { WINDOW_BUCKETS } from './window.ts'

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
}

export function bucketMs(policy: CircuitPolicy): number {
  return Math.max(1, Math.ceil(policy.windowMs / WINDOW_BUCKETS))
}

/** How long the circuit stays open the `trips`-th time in a row: doubled at each failed recovery, up to a maximum. */
export function openMs(policy: CircuitPolicy, trips: number): number {
  return Math.min(policy.timeoutMs * 2 ** (trips - 1), policy.maxTimeoutMs)
}

/** Whether these counts open a circuit, the quorum of reporters apart. */
export function reachesThreshold(
  policy: CircuitPolicy,
  total: number,
  failed: number,
  slow: number,
): boolean {
  if (total < policy.minimumRequests) return false
  if (failed >= policy.failureThreshold && failed >= policy.failureRate * total) return true
  return policy.slowCallRate > 0 && slow >= policy.slowCallRate * total
}
