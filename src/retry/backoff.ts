/** How a delay is spread, so that callers that failed together do not come back together. */
export type Jitter = 'full' | 'equal' | 'decorrelated' | 'none'

export interface BackoffPolicy {
  readonly initialBackoffMs: number
  readonly backoffMultiplier: number
  readonly maxBackoffMs: number
  readonly jitter: Jitter
}

/**
 * The wait after the failed attempt number `attempt` (the first is 1), in milliseconds. The base is
 * `initialBackoffMs * backoffMultiplier ** (attempt - 1)`, at most `maxBackoffMs`.
 *
 * `full` takes a random part of the base, `equal` half of it and a random part of the other half, `decorrelated` a
 * random value between `initialBackoffMs` and `previousMs * backoffMultiplier`, `none` the base itself.
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @param random in [0, 1)
 * @param previousMs the wait before this one; 0 at the first
 */
export function backoffMs(
  policy: BackoffPolicy,
  attempt: number,
  random: number,
  previousMs: number,
): number {
  const { initialBackoffMs, backoffMultiplier, maxBackoffMs } = policy
  // bounded first: 0 times Infinity is no wait
  const growth = Math.min(Number.MAX_VALUE, backoffMultiplier ** (attempt - 1))
  const base = Math.min(maxBackoffMs, initialBackoffMs * growth)
  switch (policy.jitter) {
    case 'none':
      return Math.round(base)
    case 'full':
      return Math.round(random * base)
    case 'equal':
      return Math.round(base / 2 + (random * base) / 2)
    case 'decorrelated': {
      const top = Math.max(initialBackoffMs, previousMs * backoffMultiplier)
      return Math.round(Math.min(maxBackoffMs, initialBackoffMs + random * (top - initialBackoffMs)))
    }
  }
}
