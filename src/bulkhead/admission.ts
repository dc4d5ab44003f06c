/**
 * How many times the mean response time a call must have left to be worth a slot. An overloaded provider, answers wanted
 * within 2 s: of what was asked, 7 % came in time where all calls were sent in their order, 68 % where those with less
 * left than this were refused.
 */
const MEANS_TO_FINISH = 2

/** What one answer moves the mean by. */
const WEIGHT = 0.1

/** What decides whether a call that finds no slot may wait for one. Times are in milliseconds. */
export interface LineFacts {
  /** Calls of the key that wait already. */
  readonly waiting: number
  readonly maxQueue: number
  /** For how long the call may still wait for others, whatever its own time is. */
  readonly waitLeftMs: number
  /** What is left of the call's time; Infinity without a deadline. */
  readonly remainingMs: number
  /** The mean response time of the key; `undefined` while nothing has answered. */
  readonly meanMs: number | undefined
  /** The stack was closed: nothing may begin to wait. */
  readonly closed: boolean
}

/** Why a call is refused. `full`: no slot, and no room or time to wait for one. `too-late`: it could not finish in time. */
export type Refusal = 'full' | 'too-late'

/** Whether a call that finds no slot waits, or why not. */
export function mayWait(facts: LineFacts): 'wait' | Refusal {
  if (!finishes(facts.remainingMs, facts.meanMs)) return 'too-late'
  return facts.closed || facts.waiting >= facts.maxQueue || facts.waitLeftMs < 1 ? 'full' : 'wait'
}

/** Whether a call with so much time left is likely to be answered in time. */
export function finishes(remainingMs: number, meanMs = 0): boolean {
  return remainingMs >= MEANS_TO_FINISH * meanMs
}

/** For how long it waits at most, in milliseconds: beyond that it could not finish any more. At least 1. */
export function longestWaitMs({ waitLeftMs, remainingMs, meanMs = 0 }: LineFacts): number {
  return Math.max(1, Math.min(waitLeftMs, remainingMs - MEANS_TO_FINISH * meanMs))
}

/**
 * The mean after a slot was held for so long. What was not answered has taken at least so long: it may only raise the
 * mean, or a provider that hangs would look fast by the few that it still answers.
 */
export function meanAfter(meanMs: number | undefined, ms: number, answered: boolean): number | undefined {
  if (!answered && ms <= (meanMs ?? 0)) return meanMs
  return meanMs === undefined ? ms : meanMs + WEIGHT * (ms - meanMs)
}
