import { bucketMs, openMs, type CircuitPolicy } from './policy.ts'
import { CountWindow } from './window.ts'

export type Override = 'isolated' | 'forced-closed'

export interface Lease {
  readonly grantedAt: number
  readonly expiresAt: number
}

export type Phase =
  | { readonly state: 'closed' }
  | { readonly state: 'open'; readonly until: number }
  | { readonly state: 'half-open'; readonly successes: number; readonly leases: Map<string, Lease> }

/** One circuit. Changed only by the functions of this file; `now` is milliseconds of one steady clock. */
export interface Machine {
  /** Rises with every transition; 0 before anything is known. */
  epoch: number
  phase: Phase
  /** Times opened since it was last closed. */
  trips: number
  override: Override | undefined
  /** The process that made the last transition. */
  by: string
  /** What added to `now` gives the time that epochs are made of: milliseconds since 1970 on the sharing server's clock. */
  offset: number
  window: CountWindow
  /** Process -> time of its last failure; kept only where a quorum is asked for. */
  readonly reporters: Map<string, number>
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

export const MAX_TRIPS = 1_000

export function createMachine(policy: CircuitPolicy, offset = 0): Machine {
  return {
    epoch: 0,
    phase: { state: 'closed' },
    trips: 0,
    override: undefined,
    by: '',
    offset,
    window: new CountWindow(bucketMs(policy)),
    reporters: new Map(),
  }
}

export function viewOf(machine: Machine, now: number): View {
  const { epoch, phase, trips, override, by } = machine
  const remainingMs =
    phase.state === 'open' && override === undefined ? Math.max(0, phase.until - Math.floor(now)) : 0
  return { epoch, state: phase.state, remainingMs, trips, override, by }
}

/** Opens, for longer each time in a row. */
export function open(machine: Machine, policy: CircuitPolicy, now: number, by: string): void {
  const trips = Math.min(machine.trips + 1, MAX_TRIPS)
  move(machine, now, { state: 'open', until: Math.floor(now) + openMs(policy, trips) }, trips, undefined, by)
}

/** The only transition: a new epoch, and nothing of the old round remains. */
export function move(
  machine: Machine,
  now: number,
  phase: Phase,
  trips: number,
  override: Override | undefined,
  by: string,
): void {
  forget(machine)
  settle(machine, Math.max(machine.epoch + 1, micros(machine, now)), phase, trips, override, by)
}

/** Writes a state as it is. */
export function settle(
  machine: Machine,
  epoch: number,
  phase: Phase,
  trips: number,
  override: Override | undefined,
  by: string,
): void {
  machine.epoch = epoch
  machine.phase = phase
  machine.trips = trips
  machine.override = override
  machine.by = by
}

export function forget(machine: Machine): void {
  machine.window.clear()
  machine.reporters.clear()
}

/** The time that epochs are made of. */
export function micros(machine: Machine, now: number): number {
  return Math.floor((now + machine.offset) * 1_000)
}
