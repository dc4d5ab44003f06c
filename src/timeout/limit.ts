import type { TimeLimit } from '../call/time-limit.ts'
import { Deadlines } from '../time/deadlines.ts'

/** A limit that a policy may leave to the calls: it has no time of its own then. */
export type TimePolicy = Omit<TimeLimit, 'deadlines'> & { readonly deadlines: Deadlines | undefined }

/** @param ms `undefined`: none, unless a call brings one */
export function timeLimitOf(ms: number | undefined, rest: Omit<TimeLimit, 'deadlines'>): TimePolicy {
  return { ...rest, deadlines: ms === undefined ? undefined : new Deadlines(ms) }
}

export function isLimit(policy: TimePolicy): policy is TimeLimit {
  return policy.deadlines !== undefined
}
