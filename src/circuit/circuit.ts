import type { CircuitStateName } from '../telemetry/channels.ts'
import type { Scheduler } from '../time/clock.ts'
import { type Admission, go, type Granted, type Probe, refuse } from './admission.ts'
import { ChangeLogs } from './change-log.ts'
import { Line } from './line/line.ts'
import {
  acquire,
  control,
  type ControlAction,
  type ProbeResult,
  report,
  tripIfDue,
} from './machine/machine.ts'
import type { CircuitPolicy } from './machine/policy.ts'
import {
  createMachine,
  type Machine,
  type Override,
  stateUnder,
  type Step,
  strongerOverride,
  type View,
  viewOf,
} from './machine/state.ts'
import { changePolicy, copyView } from './machine/transitions.ts'
import { addCounts, countSuccess, sumsOf } from './machine/window.ts'
import type { CircuitLink } from './shared/link.ts'
import type { SharedState } from './shared/shared-state.ts'
import { type CircuitSnapshot, snapshotOf } from './store.ts'

/** What a circuit needs of the store that made it. */
export interface CircuitHost {
  /** This process, in leases and reports. */
  readonly by: string
  readonly clock: Scheduler
  /** Added to `clock.now()` in epochs: milliseconds since 1970. */
  readonly offset: number
  moved(circuit: Circuit, from: CircuitStateName, here: boolean): void
}

let probes = 0

/**
 * One circuit as this process sees it: its view, and the counts of what its calls came to. Without a link its own
 * machine decides. With a link the shared machine decides; its own one is a copy, and takes over while the store is out
 * of reach.
 *
 * A healthy call reads `passing` and `generation`, and calls `succeeded`: no promise, no object, no clock.
 */
export class Circuit {
  readonly key: string
  /** Calls go through and are counted; else ask `admit`. */
  passing = true
  /** Changes with each transition. An attempt remembers it: its result counts only while it is the same. */
  generation = 0
  /** When a call last came, on the host's clock; also the coarse clock of successes. */
  lastUsedAt = 0
  readonly machine: Machine
  /** A breaker uses it with its own options; false while only an operator override has made it, with the defaults. */
  claimed = true
  /** Its store has forgotten it: the next call of the key gets another one. */
  evicted = false
  /** An operator override of its own, or of the circuit above it: who is isolated by either is refused. */
  override: Override | undefined
  /** The circuit of the origin, where this one is of a credential there. */
  above: Circuit | undefined
  /** The circuits of the credentials at its origin. */
  readonly beneath = new Set<Circuit>()
  /** Present while a shared store stands behind it. */
  readonly shared: SharedState | undefined
  policy: CircuitPolicy
  /** Who logs what becomes of it. */
  readonly logs = new ChangeLogs()
  #localPolicy: CircuitPolicy
  readonly #host: CircuitHost
  readonly #link: CircuitLink | undefined
  #seenEpoch = 0
  #line: Line | undefined

  constructor(
    key: string,
    policy: CircuitPolicy,
    host: CircuitHost,
    link?: CircuitLink,
    shared?: SharedState,
  ) {
    this.key = key
    this.policy = policy
    this.#localPolicy = { ...policy, quorum: 1 }
    this.machine = createMachine(policy)
    this.#host = host
    this.#link = link
    this.shared = shared
    this.lastUsedAt = host.clock.now()
  }

  /** What an operator does to the origin holds here too. */
  standUnder(above: Circuit): void {
    this.above = above
    above.beneath.add(this)
    this.#settle()
  }

  /** The clock that everything here is measured on. */
  get clock(): Scheduler {
    return this.#host.clock
  }

  /** The calls of this process that wait out a short opening. */
  get line(): Line {
    return (this.#line ??= new Line(this))
  }

  /** The shared store decides now. */
  get #linked(): boolean {
    return this.shared !== undefined && !this.shared.degraded
  }

  /** For a call that did not find `passing`. Asynchronous only where a shared store has to grant a probe; never rejects. */
  admit(now: number): Admission | Promise<Admission> {
    const { phase } = this.machine
    this.lastUsedAt = Math.max(this.lastUsedAt, now)
    if (this.passing) return go
    if (this.override === 'isolated') return refuse(this.policy.timeoutMs)
    if (phase.state === 'open' && now < phase.until) return refuse(phase.until - now)
    const { shared } = this
    if (shared !== undefined && this.#link !== undefined && !shared.degraded) {
      if (shared.acquiring || now < shared.askAt) return refuse(shared.askAt - now)
      return this.#link.acquire(this, now)
    }
    return this.#acquireHere(now)
  }

  /** What came of an attempt that was admitted under `generation`, unless it was a probe. */
  record(generation: number, result: ProbeResult, slow: boolean): void {
    if (result === 'ok' && !slow) this.succeeded(generation)
    else if (result !== 'void') this.failed(generation, result === 'fail' ? 1 : 0, slow ? 1 : 0)
  }

  /** A success of an attempt that was admitted under `generation`. */
  succeeded(generation: number): void {
    if (generation !== this.generation || this.override !== undefined) return
    countSuccess(this.machine.window, this.lastUsedAt)
    const { shared } = this
    if (shared === undefined || shared.degraded) return
    shared.pending.total += 1
    if (shared.pending.total > shared.mostResting && !shared.queued) this.#link?.enqueue(this)
  }

  /** A failure, or a slow success, of an attempt that was admitted under `generation`. */
  failed(generation: number, failed: 0 | 1, slow: 0 | 1): void {
    this.#count(generation, 1, failed, slow)
  }

  /** The body of a response broke whose success has been counted already. */
  broke(generation: number): void {
    this.#count(generation, 0, 1, 0)
  }

  #count(generation: number, total: number, failed: number, slow: number): void {
    // not passing: the body of a probe broke, whose success has counted already
    if (generation !== this.generation || !this.passing || this.override !== undefined) return
    const now = this.#host.clock.now()
    const { machine, shared } = this
    this.lastUsedAt = Math.max(this.lastUsedAt, now)
    addCounts(machine.window, now, { total, failed, slow })
    if (this.#linked && shared !== undefined) {
      shared.count(total, failed, slow)
      if (!shared.queued) this.#link?.enqueue(this)
      if (shared.mayTrip(this.policy)) this.#link?.flushNow(this)
      return
    }
    this.#tripHere(now)
  }

  /** The shared store is out of reach from now on: what was counted here may be enough to open it. */
  takeOver(): void {
    const now = this.#host.clock.now()
    const { failed, slow } = sumsOf(this.machine.window, now)
    if (this.passing && this.override === undefined && failed + slow > 0) this.#tripHere(now)
  }

  #tripHere(now: number): void {
    const { machine } = this
    const from = machine.phase.state
    if (tripIfDue(machine, this.#step(now), sumsOf(machine.window, now))) this.#moved(from, true)
  }

  /** What came of a probe. Must be called once per probe; a result of an older round counts nothing. */
  report(probe: Probe, result: ProbeResult): void {
    if (probe.shared) this.#link?.report(this, probe, result)
    else {
      const now = this.#host.clock.now()
      const from = this.machine.phase.state
      report(this.machine, this.#step(now), probe.token, result)
      this.#moved(from, true)
    }
    if (result !== 'fail') this.slotFreed()
  }

  /** Nobody takes what was granted any more. */
  giveBack(granted: Granted): void {
    if (granted.kind === 'probe') this.report(granted, 'void')
  }

  /** A probe has ended, here or in another process: a store may be asked again, and those in line may try. */
  slotFreed(): void {
    if (this.shared !== undefined) this.shared.askAt = 0
    this.#line?.wake()
  }

  /** Says that the probe still runs: to be called three times per lease. */
  renew(probe: Probe): void {
    if (probe.shared) {
      this.#link?.renew(this, probe)
      return
    }
    const now = this.#host.clock.now()
    acquire(this.machine, this.#step(now), probe.token, true)
  }

  #acquireHere(now: number): Admission {
    const from = this.machine.phase.state
    const token = `${this.#host.by}-${++probes}`
    const reply = acquire(this.machine, this.#step(now), token, false)
    this.#moved(from, true)
    if (reply.result === 'denied') return refuse(reply.retryInMs)
    return reply.result === 'granted' ? { kind: 'probe', token, shared: false, startedAt: now } : go
  }

  /** An operator override, in this process. */
  control(action: ControlAction): void {
    const now = this.#host.clock.now()
    const from = this.machine.phase.state
    control(this.machine, this.#step(now), action)
    this.#moved(from, true)
  }

  /** A step of its own machine: this process decides alone. */
  #step(now: number): Step {
    const { by, offset } = this.#host
    return { policy: this.#localPolicy, now, offset, by, view: this.view(now) }
  }

  view(now: number): View {
    return viewOf(this.machine, now)
  }

  /** Takes over a view of the shared store. The first one of a closed circuit changes nothing for calls in flight. */
  apply(view: View, now: number): void {
    const { machine } = this
    const from = machine.phase.state
    const first = machine.epoch === 0 && view.state === 'closed' && view.override === undefined
    copyView(machine, view, now, first)
    if (first) this.#seenEpoch = view.epoch
    else this.#moved(from, view.by === this.#host.by)
  }

  /** The options of the breaker that uses the key; until then an operator override has made it with the defaults. */
  claim(policy: CircuitPolicy): void {
    this.claimed = true
    this.policy = policy
    this.#localPolicy = { ...policy, quorum: 1 }
    changePolicy(this.machine, policy)
  }

  snapshot(): CircuitSnapshot {
    return snapshotOf(this, this.#host.clock.now())
  }

  /** After anything that may have been a transition. */
  #moved(from: CircuitStateName, here: boolean): void {
    const { machine } = this
    if (machine.epoch === this.#seenEpoch) return
    this.#seenEpoch = machine.epoch
    this.generation += 1
    this.#settle()
    this.shared?.newRound()
    this.#line?.wake()
    for (const circuit of this.beneath) circuit.#inherit()
    this.#host.moved(this, from, here)
  }

  /** The circuit above has moved. */
  #inherit(): void {
    const before = this.override
    this.#settle()
    if (this.override === before) return
    this.generation += 1
    this.#line?.wake()
  }

  #settle(): void {
    this.override = strongerOverride(this.machine.override, this.above?.override)
    this.passing = stateUnder(this.override, this.machine.phase) === 'closed'
  }
}
