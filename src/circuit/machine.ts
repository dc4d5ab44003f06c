import { reachesThreshold, type CircuitPolicy } from './policy.ts'
import {
  forget,
  type Machine,
  MAX_TRIPS,
  micros,
  move,
  open,
  type Phase,
  settle,
  type View,
  viewOf,
} from './transitions.ts'
import type { Counts } from './window.ts'

export {
  createMachine,
  type Lease,
  type Machine,
  type Override,
  type Phase,
  type View,
  viewOf,
} from './transitions.ts'

// The Lua scripts in stores/redis/lua are this machine once more; a differential test compares them reply by reply.
// Change one, change the other.

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

/** Brings a machine and a caller's view together: the highest epoch wins. The first step of every shared operation. */
export function sync(
  machine: Machine,
  policy: CircuitPolicy,
  now: number,
  view: View,
  by: string,
): SyncStatus {
  const time = Math.floor(now)
  const { phase } = machine
  // the clock that `until` was taken from stepped back
  if (phase.state === 'open' && phase.until > time + policy.maxTimeoutMs) {
    machine.phase = { state: 'open', until: time + policy.maxTimeoutMs }
  }
  if (view.epoch === machine.epoch && view.epoch > 0) return 'same'
  const sane =
    Number.isSafeInteger(view.epoch) && view.epoch >= 0 && view.epoch <= micros(machine, now) + FUTURE_MICROS
  if (machine.epoch === 0 && (!sane || view.epoch === 0)) {
    forget(machine)
    settle(machine, Math.max(1, micros(machine, now)), { state: 'closed' }, 0, undefined, by)
    return sane ? 'created' : 'refused'
  }
  if (!sane) return 'refused'
  if (view.epoch < machine.epoch) return 'behind'
  adopt(machine, policy, now, view, by)
  return 'adopted'
}

/** Adds a caller's results, unless they belong to another epoch, and opens the circuit when they reach the threshold. */
export function flush(
  machine: Machine,
  policy: CircuitPolicy,
  now: number,
  view: View,
  by: string,
  counts: Counts,
): FlushReply {
  const status = sync(machine, policy, now, view, by)
  const counted = (status === 'same' || status === 'created') && machine.phase.state === 'closed'
  if (counted && machine.override === undefined && counts.total + counts.failed + counts.slow > 0) {
    machine.window.add(now, counts.total, counts.failed, counts.slow)
  }
  const sums = machine.window.sums(now)
  if (counted && machine.override === undefined && counts.failed + counts.slow > 0) {
    tripIfDue(machine, policy, now, sums, by)
  }
  return { status, view: viewOf(machine, now), ...sums }
}

/** Opens a closed circuit whose `sums` reach the threshold and whose failures come from enough processes. */
export function tripIfDue(
  machine: Machine,
  policy: CircuitPolicy,
  now: number,
  sums: Counts,
  by: string,
): boolean {
  if (policy.quorum > 1) noteReporter(machine, policy, now, by)
  if (!reachesThreshold(policy, sums.total, sums.failed, sums.slow)) return false
  if (policy.quorum > 1 && machine.reporters.size < policy.quorum) return false
  open(machine, policy, now, by)
  return true
}

/**
 * Asks for a probe's slot. The same token again renews its lease, so a command that was sent twice takes one slot; with
 * `renew` nothing else happens. A lease older than `leaseMs` still counts as in flight but no longer keeps a
 * replacement away: one hung probe does not hold up the recovery. A denial changes no lease.
 */
export function acquire(
  machine: Machine,
  policy: CircuitPolicy,
  now: number,
  view: View,
  by: string,
  token: string,
  renew: boolean,
): AcquireReply {
  const status = sync(machine, policy, now, view, by)
  const [result, retryInMs] = decideAcquire(machine, policy, now, by, token, renew)
  return { result, retryInMs, status, view: viewOf(machine, now) }
}

function decideAcquire(
  machine: Machine,
  policy: CircuitPolicy,
  now: number,
  by: string,
  token: string,
  renew: boolean,
): ['go' | 'granted' | 'denied', number] {
  const time = Math.floor(now)
  if (renew) {
    if (machine.override !== undefined || machine.phase.state !== 'half-open') return ['denied', 0]
    const { leases } = machine.phase
    const lease = leases.get(token)
    if (lease === undefined || lease.expiresAt <= time) return ['denied', 0]
    leases.set(token, { grantedAt: lease.grantedAt, expiresAt: time + policy.leaseMs })
    return ['granted', 0]
  }
  if (machine.override === 'isolated') return ['denied', policy.timeoutMs]
  if (machine.override === 'forced-closed' || machine.phase.state === 'closed') return ['go', 0]
  if (machine.phase.state === 'open') {
    if (time < machine.phase.until) return ['denied', machine.phase.until - time]
    const phase: Phase = { state: 'half-open', successes: 0, leases: new Map() }
    move(machine, now, phase, machine.trips, undefined, by)
  }
  const { leases, successes } = machine.phase as Extract<Phase, { state: 'half-open' }>
  let young = 0
  let first = Infinity
  for (const [name, lease] of leases) {
    if (lease.expiresAt <= time) {
      leases.delete(name)
      continue
    }
    const overdueAt = lease.grantedAt + policy.leaseMs
    if (overdueAt > time) young++
    first = Math.min(first, overdueAt > time ? overdueAt : lease.expiresAt)
  }
  const held = leases.get(token)
  const full = leases.size >= policy.halfOpenMaxAttempts || successes + young >= policy.halfOpenMaxAttempts
  if (held === undefined && full) return ['denied', Math.max(1, first - time)]
  leases.set(token, { grantedAt: held?.grantedAt ?? time, expiresAt: time + policy.leaseMs })
  return ['granted', 0]
}

/** What came of a probe. `void`: cancelled by its caller; the slot goes back and nothing is counted. */
export function report(
  machine: Machine,
  policy: CircuitPolicy,
  now: number,
  view: View,
  by: string,
  token: string,
  result: ProbeResult,
): ReportReply {
  const status = sync(machine, policy, now, view, by)
  const counted = decideReport(machine, policy, now, by, token, result)
  return { result: counted, status, view: viewOf(machine, now) }
}

function decideReport(
  machine: Machine,
  policy: CircuitPolicy,
  now: number,
  by: string,
  token: string,
  result: ProbeResult,
): ReportReply['result'] {
  const { phase } = machine
  if (phase.state !== 'half-open') return 'ignored'
  const lease = phase.leases.get(token)
  if (lease === undefined || lease.expiresAt <= Math.floor(now)) return 'ignored'
  phase.leases.delete(token)
  if (result === 'void') return 'void'
  if (result === 'fail') {
    open(machine, policy, now, by)
    return 'counted'
  }
  const successes = phase.successes + 1
  if (successes >= policy.halfOpenMaxAttempts) move(machine, now, { state: 'closed' }, 0, undefined, by)
  else machine.phase = { ...phase, successes }
  return 'counted'
}

/** An operator's word: `isolate` admits none and `force-close` rejects none until `reset`, which closes the circuit. */
export function control(
  machine: Machine,
  policy: CircuitPolicy,
  now: number,
  view: View,
  by: string,
  action: ControlAction,
): ControlReply {
  const status = sync(machine, policy, now, view, by)
  if (action === 'isolate') move(machine, now, { state: 'open', until: Math.floor(now) }, 0, 'isolated', by)
  else move(machine, now, { state: 'closed' }, 0, action === 'force-close' ? 'forced-closed' : undefined, by)
  return { status, view: viewOf(machine, now) }
}

function adopt(machine: Machine, policy: CircuitPolicy, now: number, view: View, by: string): void {
  forget(machine)
  const time = Math.floor(now)
  const trips = Math.min(Math.max(0, Math.floor(view.trips) || 0), MAX_TRIPS)
  const remaining = Math.min(Math.max(0, Math.floor(view.remainingMs) || 0), policy.maxTimeoutMs)
  if (view.override === undefined && view.state === 'half-open') {
    // the leases of that round are lost: a new one begins, under a new epoch
    settle(machine, view.epoch, { state: 'closed' }, trips, undefined, by)
    move(machine, now, { state: 'open', until: time }, trips, undefined, by)
    return
  }
  const opens = view.override === undefined ? view.state === 'open' : view.override === 'isolated'
  const phase: Phase = opens ? { state: 'open', until: time + remaining } : { state: 'closed' }
  settle(machine, view.epoch, phase, trips, view.override, view.by)
}

function noteReporter(machine: Machine, policy: CircuitPolicy, now: number, by: string): void {
  const { reporters } = machine
  const time = Math.floor(now)
  reporters.set(by, time)
  // all of them, not the first few: after a step of the clock the order of noting is not the order of time
  for (const [name, at] of reporters) if (at <= time - policy.windowMs) reporters.delete(name)
  while (reporters.size > MAX_REPORTERS) reporters.delete(longestSilent(reporters))
}

function longestSilent(reporters: ReadonlyMap<string, number>): string {
  let [name, at] = ['', Infinity]
  for (const [other, time] of reporters) if (time < at) [name, at] = [other, time]
  return name
}
