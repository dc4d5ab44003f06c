import { type CircuitPolicy, openMs } from '../machine/policy.ts'

/** What decides whether a call that the circuit refused waits in line. */
export interface LineFacts {
  /** Times opened in a row. */
  readonly trips: number
  /** An operator overrides the circuit. */
  readonly overridden: boolean
  /** Until a probe may go, in milliseconds; 0 when one may go already. */
  readonly openForMs: number
  /** For how long the call may still wait, in milliseconds: `waitLeftMs`. */
  readonly leftMs: number
  /** Calls that wait already. */
  readonly waiting: number
}

/**
 * Whether openings of this length are waited out: only those that end, from first to last, within `maxWaitMs`. The last
 * seconds of a longer one are not: all calls of those seconds would go at its end, at many times the usual rate, and a
 * provider with little to spare would not recover.
 */
export function isWaitedOut(policy: CircuitPolicy, trips: number): boolean {
  return openMs(policy, trips) <= policy.maxWaitMs
}

/**
 * For how long a call may wait in line, in milliseconds.
 * @param waitedMs what it has waited before, over all its attempts: in lines of circuits, and for permits
 * @param remainingMs what is left of the call's time; Infinity without a deadline
 */
export function waitLeftMs(policy: CircuitPolicy, waitedMs: number, remainingMs: number): number {
  return Math.min(policy.maxWaitMs - waitedMs, remainingMs)
}

/** Whether a refused call waits. */
export function mayJoin(policy: CircuitPolicy, facts: LineFacts): boolean {
  return (
    !facts.overridden &&
    isWaitedOut(policy, facts.trips) &&
    facts.leftMs > 0 &&
    facts.openForMs <= facts.leftMs &&
    facts.waiting < policy.maxWaiting
  )
}
