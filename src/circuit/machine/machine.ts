import { bucketMs, reachesThreshold } from './policy.ts'
import {
  type Lease,
  type Machine,
  MAX_TRIPS,
  type Phase,
  type Reporter,
  type Step,
  type View,
  viewOf,
} from './state.ts'
import { clearCounts, micros, move, open, setState } from './transitions.ts'
import { addCounts, type Counts, setBucketMs, sumsOf } from './window.ts'

// The Lua scripts in stores/redis/circuits/lua are this machine once more; the contract of CircuitBackend compares them
// reply by reply. Change one, change the other.

/**
 * How the caller's view relates to the machine's state. `created`: there was none, now it is closed. `same`.
 * `behind`: the caller is older. `adopted`: the caller was newer and the machine took its view. `refused`: the
 * caller's epoch was no number or lies in the future.
 */
export type SyncStatus = 'created' | 'same' | 'behind' | 'adopted' | 'refused'

export interface FlushReply extends Counts {
  readonly status: SyncStatus
  readonly view: View
}

export interface AcquireReply {
  /** `go`: closed, no probe needed. */
  readonly result: 'go' | 'granted' | 'denied'
  /** When to ask again, in milliseconds; 0 unless denied. */
  readonly retryInMs: number
  readonly status: SyncStatus
  readonly view: View
}

export type ProbeResult = 'ok' | 'fail' | 'void'

export interface ReportReply {
  /** `ignored`: the round is over, or the lease. */
  readonly result: 'counted' | 'void' | 'ignored'
  readonly status: SyncStatus
  readonly view: View
}

export interface ControlReply {
  readonly status: SyncStatus
  readonly view: View
}

export type ControlAction = 'isolate' | 'force-close' | 'reset'

/** An epoch this far ahead, in microseconds, is the skew of a server that took over, not garbage. */
const FUTURE_MICROS = 10_000_000
const MAX_REPORTERS = 64

/** Brings a machine and a caller's view together: the highest epoch wins. The first part of every operation. */
export function sync(machine: Machine, step: Step): SyncStatus {
  const { policy, view } = step
  const latest = Math.floor(step.now) + policy.maxTimeoutMs
  const { phase } = machine
  // the clock that `until` was taken from stepped back
  if (phase.state === 'open' && phase.until > latest) machine.phase = { state: 'open', until: latest }
  if (view.epoch === machine.epoch && view.epoch > 0) return 'same'
  const sane =
    Number.isSafeInteger(view.epoch) && view.epoch >= 0 && view.epoch <= micros(step) + FUTURE_MICROS
  if (machine.epoch === 0 && (!sane || view.epoch === 0)) {
    clearCounts(machine)
    setState(machine, Math.max(1, micros(step)), { state: 'closed' }, 0, undefined, step.by)
    return sane ? 'created' : 'refused'
  }
  if (!sane) return 'refused'
  if (view.epoch < machine.epoch) return 'behind'
  adopt(machine, step)
  return 'adopted'
}

/** Adds a caller's results, unless they belong to another epoch, and opens the circuit when they reach the threshold. */
export function flush(machine: Machine, step: Step, counts: Counts): FlushReply {
  const status = sync(machine, step)
  const { window } = machine
  setBucketMs(window, bucketMs(step.policy))
  const counted = (status === 'same' || status === 'created') && takesCounts(machine)
  if (counted && counts.total + counts.failed + counts.slow > 0) addCounts(window, step.now, counts)
  const sums = sumsOf(window, step.now)
  if (counted && counts.failed + counts.slow > 0) tripIfDue(machine, step, sums)
  return { status, view: viewOf(machine, step.now), ...sums }
}

/** Whether results are counted: it is closed, and not by an operator. */
export function takesCounts({ phase, override }: Machine): boolean {
  return phase.state === 'closed' && override === undefined
}

/**
 * Opens a closed circuit whose `sums` reach the threshold and whose failures come from enough processes. To be called
 * for results with a failure or a slow call: a success opens nothing.
 */
export function tripIfDue(machine: Machine, step: Step, sums: Counts): boolean {
  const { policy } = step
  if (policy.quorum > 1) noteReporter(machine, step)
  if (!reachesThreshold(policy, sums.total, sums.failed, sums.slow)) return false
  if (policy.quorum > 1 && machine.reporters.length < policy.quorum) return false
  open(machine, step)
  return true
}

/**
 * Asks for a probe's slot. The same token again renews its lease, so a command that was sent twice takes one slot; with
 * `renew` nothing else happens. A lease older than `leaseMs` still counts as in flight but no longer keeps a
 * replacement away: one hung probe does not hold up the recovery. A denial changes no lease.
 */
export function acquire(machine: Machine, step: Step, token: string, renew: boolean): AcquireReply {
  const status = sync(machine, step)
  const [result, retryInMs] = renew ? renewLease(machine, step, token) : decideAcquire(machine, step, token)
  return { result, retryInMs, status, view: viewOf(machine, step.now) }
}

type AcquireDecision = ['go' | 'granted' | 'denied', retryInMs: number]

function renewLease({ override, phase }: Machine, step: Step, token: string): AcquireDecision {
  if (override !== undefined || phase.state !== 'half-open') return ['denied', 0]
  const held = phase.leases.find((lease) => lease.token === token)
  if (held === undefined || held.expiresAt <= Math.floor(step.now)) return ['denied', 0]
  grant(phase.leases, step, token)
  return ['granted', 0]
}

function decideAcquire(machine: Machine, step: Step, token: string): AcquireDecision {
  const { policy } = step
  const time = Math.floor(step.now)
  if (machine.override === 'isolated') return ['denied', policy.timeoutMs]
  if (machine.override === 'forced-closed' || machine.phase.state === 'closed') return ['go', 0]
  if (machine.phase.state === 'open') {
    if (time < machine.phase.until) return ['denied', machine.phase.until - time]
    move(machine, step, { state: 'half-open', successes: 0, leases: [] }, machine.trips)
  }
  const { leases, successes } = machine.phase as Extract<Phase, { state: 'half-open' }>
  let young = 0
  let first = Infinity
  for (const lease of [...leases]) {
    if (lease.expiresAt <= time) {
      leases.splice(leases.indexOf(lease), 1)
      continue
    }
    const overdueAt = lease.grantedAt + policy.leaseMs
    if (overdueAt > time) young++
    first = Math.min(first, overdueAt > time ? overdueAt : lease.expiresAt)
  }
  const isHeld = leases.some((lease) => lease.token === token)
  const max = policy.halfOpenMaxAttempts
  // one may always be in flight, though this process asks for fewer successes than others have had already
  const full = leases.length >= max || (leases.length > 0 && successes + young >= max)
  if (!isHeld && full) return ['denied', Math.max(1, first - time)]
  grant(leases, step, token)
  return ['granted', 0]
}

/** A lease from now on; one that is held already goes on being as old as it is. */
function grant(leases: Lease[], { policy, now }: Step, token: string): void {
  const time = Math.floor(now)
  const at = leases.findIndex((lease) => lease.token === token)
  const lease = { token, grantedAt: leases[at]?.grantedAt ?? time, expiresAt: time + policy.leaseMs }
  if (at === -1) leases.push(lease)
  else leases[at] = lease
}

/** What came of a probe. `void`: cancelled by its caller; the slot goes back and nothing is counted. */
export function report(machine: Machine, step: Step, token: string, result: ProbeResult): ReportReply {
  const status = sync(machine, step)
  const counted = decideReport(machine, step, token, result)
  return { result: counted, status, view: viewOf(machine, step.now) }
}

function decideReport(
  machine: Machine,
  step: Step,
  token: string,
  result: ProbeResult,
): ReportReply['result'] {
  const { phase } = machine
  if (phase.state !== 'half-open') return 'ignored'
  const at = phase.leases.findIndex((lease) => lease.token === token)
  const lease = phase.leases[at]
  if (lease === undefined || lease.expiresAt <= Math.floor(step.now)) return 'ignored'
  phase.leases.splice(at, 1)
  if (result === 'void') return 'void'
  if (result === 'fail') {
    open(machine, step)
    return 'counted'
  }
  const successes = phase.successes + 1
  if (successes >= step.policy.halfOpenMaxAttempts) move(machine, step, { state: 'closed' }, machine.trips)
  else machine.phase = { ...phase, successes }
  return 'counted'
}

/** An operator override: `isolate` admits none and `force-close` rejects none until `reset`, which closes the circuit. */
export function control(machine: Machine, step: Step, action: ControlAction): ControlReply {
  const status = sync(machine, step)
  if (action === 'isolate') {
    move(machine, step, { state: 'open', until: Math.floor(step.now) }, 0, 'isolated')
  } else move(machine, step, { state: 'closed' }, 0, action === 'force-close' ? 'forced-closed' : undefined)
  return { status, view: viewOf(machine, step.now) }
}

/** Takes over a newer view: the server lost the circuit, or fell back to an older state. */
function adopt(machine: Machine, step: Step): void {
  const { policy, view } = step
  clearCounts(machine)
  const time = Math.floor(step.now)
  const trips = Math.min(Math.max(0, Math.floor(view.trips) || 0), MAX_TRIPS)
  const remaining = Math.min(Math.max(0, Math.floor(view.remainingMs) || 0), policy.maxTimeoutMs)
  if (view.override === undefined && view.state === 'half-open') {
    // the leases of that round are lost: a new one begins, under a new epoch
    setState(machine, view.epoch, { state: 'closed' }, trips, undefined, step.by)
    move(machine, step, { state: 'open', until: time }, trips)
    return
  }
  const opens = view.override === undefined ? view.state === 'open' : view.override === 'isolated'
  const phase: Phase = opens ? { state: 'open', until: time + remaining } : { state: 'closed' }
  setState(machine, view.epoch, phase, trips, view.override, view.by)
}

function noteReporter(machine: Machine, { policy, now, by }: Step): void {
  const time = Math.floor(now)
  // all of them, not the first few: after a step of the clock the order of noting is not the order of time
  const live = machine.reporters.filter((known) => known.by !== by && known.at > time - policy.windowMs)
  live.push({ by, at: time })
  while (live.length > MAX_REPORTERS) live.splice(live.indexOf(longestSilent(live)), 1)
  machine.reporters = live
}

function longestSilent(reporters: readonly Reporter[]): Reporter {
  return reporters.reduce((one, other) => (other.at < one.at ? other : one))
}
