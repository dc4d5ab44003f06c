import { bucketMs, type CircuitPolicy, openMs } from './policy.ts'
import { type Machine, MAX_TRIPS, type Override, type Phase, type Step, type View } from './state.ts'
import { clearWindow, setBucketMs } from './window.ts'

/**
 * Opens, for longer each time in a row. A row ends with `windowMs` of being closed: the epoch of a closed circuit is the
 * time of its closing.
 */
export function open(machine: Machine, step: Step): void {
  const { epoch, phase } = machine
  const calm = phase.state === 'closed' && micros(step) - epoch >= step.policy.windowMs * 1_000
  const trips = Math.min((calm ? 0 : machine.trips) + 1, MAX_TRIPS)
  move(machine, step, { state: 'open', until: Math.floor(step.now) + openMs(step.policy, trips) }, trips)
}

/** The only transition: a new epoch, and nothing of the old round remains. */
export function move(machine: Machine, step: Step, phase: Phase, trips: number, override?: Override): void {
  clearCounts(machine)
  setState(machine, Math.max(machine.epoch + 1, micros(step)), phase, trips, override, step.by)
}

/** Sets a state as it is, with its epoch. */
export function setState(
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

/** A copy of a shared machine takes over its view. What was counted here counts on only where `keepCounts`. */
export function copyView(machine: Machine, view: View, now: number, keepCounts: boolean): void {
  const { epoch, state, remainingMs, trips, override, by } = view
  if (!keepCounts) clearCounts(machine)
  let phase: Phase = { state: 'closed' }
  if (state === 'open') phase = { state, until: Math.ceil(now) + remainingMs }
  else if (state === 'half-open') phase = { state, successes: 0, leases: [] }
  setState(machine, epoch, phase, trips, override, by)
}

export function clearCounts(machine: Machine): void {
  clearWindow(machine.window)
  machine.reporters = []
}

/** Counts anew, in the buckets of another policy. */
export function changePolicy(machine: Machine, policy: CircuitPolicy): void {
  clearCounts(machine)
  setBucketMs(machine.window, bucketMs(policy))
}

/** The time that epochs are made of. */
export function micros({ now, offset = 0 }: Step): number {
  return Math.floor((now + offset) * 1_000)
}
