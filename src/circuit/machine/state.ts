import { bucketMs, type CircuitPolicy } from './policy.ts'
import { createWindow, type CountWindow } from './window.ts'

export type Override = 'isolated' | 'forced-closed'

/** The slot of a probe under way. */
export interface Lease {
  readonly token: string
  readonly grantedAt: number
  readonly expiresAt: number
}

export type Phase =
  | { readonly state: 'closed' }
  | { readonly state: 'open'; readonly until: number }
  | { readonly state: 'half-open'; readonly successes: number; readonly leases: Lease[] }

/** A process, and when it last failed. */
export interface Reporter {
  readonly by: string
  readonly at: number
}

/**
 * One circuit, as plain data: `machineToJson` writes it down and `machineFromJson` reads it back. Changed only by the
 * functions of this folder. Its times are milliseconds of one steady clock; for a circuit that processes share, of the
 * server's.
 */
export interface Machine {
  /** Rises with every transition; 0 before anything is known. */
  epoch: number
  phase: Phase
  /** Times opened in a row; `open` says when a row ends. */
  trips: number
  override: Override | undefined
  /** The process that made the last transition. */
  by: string
  readonly window: CountWindow
  /** Kept only where a quorum is asked for. */
  reporters: Reporter[]
}

/** What a machine tells others of itself, and what a client offers back after the server lost it. */
export interface View {
  readonly epoch: number
  readonly state: 'closed' | 'open' | 'half-open'
  /** Milliseconds that it stays open; 0 in other states. */
  readonly remainingMs: number
  readonly trips: number
  readonly override: Override | undefined
  readonly by: string
}

/** The view of a process that knows nothing of the circuit. */
export const unknownView: View = {
  epoch: 0,
  state: 'closed',
  remainingMs: 0,
  trips: 0,
  override: undefined,
  by: '',
}

/** Who asks a machine, when, and by which policy. */
export interface Step {
  readonly policy: CircuitPolicy
  /** On the clock that the machine's times are measured on. */
  readonly now: number
  /** What added to `now` gives milliseconds since 1970 on the sharing server's clock, of which epochs are made. Default 0. */
  readonly offset?: number
  /** The process that asks. */
  readonly by: string
  /** What it knows of the circuit. */
  readonly view: View
}

/** Which override holds, of a circuit's own and of that of its origin: who is isolated by either is refused. */
export function strongerOverride(
  own: Override | undefined,
  above: Override | undefined,
): Override | undefined {
  return own === 'isolated' ? own : (above ?? own)
}

/** The state as calls find it. */
export function stateUnder(override: Override | undefined, { state }: Pick<View, 'state'>): View['state'] {
  if (override === undefined) return state
  return override === 'isolated' ? 'open' : 'closed'
}

export const MAX_TRIPS = 1_000

export function createMachine(policy: CircuitPolicy): Machine {
  return {
    epoch: 0,
    phase: { state: 'closed' },
    trips: 0,
    override: undefined,
    by: '',
    window: createWindow(bucketMs(policy)),
    reporters: [],
  }
}

export function viewOf({ epoch, phase, trips, override, by }: Machine, now: number): View {
  const remainingMs =
    phase.state === 'open' && override === undefined ? Math.max(0, phase.until - Math.floor(now)) : 0
  return { epoch, state: phase.state, remainingMs, trips, override, by }
}
