import type { CircuitStateName } from '../telemetry/channels.ts'
import {
  acquire,
  control,
  type ControlAction,
  createMachine,
  type Machine,
  type ProbeResult,
  report,
  tripIfDue,
  type View,
  viewOf,
} from './machine.ts'
import { bucketMs, type CircuitPolicy } from './policy.ts'
import type { SharedState } from './shared-state.ts'
import type { CircuitSnapshot } from './store.ts'
import { CountWindow } from './window.ts'

/** The right to one attempt through a half-open circuit; `settle` must be told what came of it. */
export interface Probe {
  readonly token: string
  /** Granted by the store that processes share, not by this process alone. */
  readonly shared: boolean
  /** From before the store was asked, so that the lease there cannot end earlier than it does here. */
  readonly startedAt: number
}

export interface Refusal {
  /** When a call may be let through, in milliseconds, at least 1. */
  readonly retryAfterMs: number
}

/** `undefined`: go, the circuit is closed. */
export type Admission = Probe | Refusal | undefined

/** What a circuit needs of the store that made it. */
export interface CircuitHost {
  /** This process, in leases and reports. */
  readonly by: string
  now(): number
  moved(circuit: Circuit, from: CircuitStateName, here: boolean): void
}

/** What a circuit needs of a store that processes share. */
export interface CircuitLink {
  enqueue(circuit: Circuit): void
  flushNow(circuit: Circuit): void
  acquire(circuit: Circuit, now: number): Promise<Admission>
  settle(circuit: Circuit, probe: Probe, result: ProbeResult): void
  renew(circuit: Circuit, probe: Probe): void
}

let probes = 0

/**
 * One circuit as this process sees it: the local view, and the counters of what its calls came to. Without a link the
 * machine in it is the authority. With one the shared machine is, of which this one is the copy, and it takes over
 * while the store is out of reach.
 *
 * A healthy call reads `passing` and `generation`, and calls `succeeded`: no promise, no object, no clock.
 */
export class Circuit {
  readonly key: string
  /** Calls go through and are counted; else ask `admit`. */
  passing = true
  /** What an attempt remembers of its admission: its result counts only while this is the same. */
  generation = 0
  /** When a call last came, on the host's clock; also the coarse clock of successes. */
  lastUsedAt = 0
  readonly machine: Machine
  /** A breaker uses it with its own options; false while only an operator's word has made it, with the defaults. */
  claimed = true
  /** Present while a shared store stands behind it. */
  readonly shared: SharedState | undefined
  policy: CircuitPolicy
  #localPolicy: CircuitPolicy
  readonly #host: CircuitHost
  readonly #link: CircuitLink | undefined
  #seenEpoch = 0

  constructor(
    key: string,
    policy: CircuitPolicy,
    host: CircuitHost,
    offset: number,
    link?: CircuitLink,
    shared?: SharedState,
  ) {
    this.key = key
    this.policy = policy
    this.#localPolicy = { ...policy, quorum: 1 }
    this.machine = createMachine(policy, offset)
    this.#host = host
    this.#link = link
    this.shared = shared
    this.lastUsedAt = host.now()
  }

  /** Whether the shared store decides now. */
  get #linked(): boolean {
    return this.shared !== undefined && !this.shared.degraded
  }

  /** For a call that did not find `passing`. Asynchronous only where a shared store has to grant a probe; never rejects. */
  admit(now: number): Admission | Promise<Admission> {
    const { phase, override } = this.machine
    this.lastUsedAt = Math.max(this.lastUsedAt, now)
    if (this.passing) return undefined
    if (override === 'isolated') return refusal(this.policy.timeoutMs)
    if (phase.state === 'open' && now < phase.until) return refusal(phase.until - now)
    const { shared } = this
    if (shared !== undefined && this.#link !== undefined && !shared.degraded) {
      if (shared.acquiring || now < shared.askAt) return refusal(shared.askAt - now)
      return this.#link.acquire(this, now)
    }
    return this.#acquireHere(now)
  }

  /** A success of an attempt that was admitted under `generation`. */
  succeeded(generation: number): void {
    if (generation !== this.generation || this.machine.override !== undefined) return
    this.machine.window.hit(this.lastUsedAt)
    const { shared } = this
    if (shared === undefined || shared.degraded) return
    shared.pending.total += 1
    if (!shared.queued) this.#link?.enqueue(this)
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
    if (generation !== this.generation || !this.passing || this.machine.override !== undefined) return
    const now = this.#host.now()
    const { machine, shared } = this
    this.lastUsedAt = Math.max(this.lastUsedAt, now)
    machine.window.add(now, total, failed, slow)
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
    const now = this.#host.now()
    const { failed, slow } = this.machine.window.sums(now)
    if (this.passing && this.machine.override === undefined && failed + slow > 0) this.#tripHere(now)
  }

  #tripHere(now: number): void {
    const { machine } = this
    const from = machine.phase.state
    const sums = machine.window.sums(now)
    if (tripIfDue(machine, this.#localPolicy, now, sums, this.#host.by)) this.#moved(from, true)
  }

  /** What came of a probe. Must be called once per probe; a result of an older round counts nothing. */
  settle(probe: Probe, result: ProbeResult): void {
    if (probe.shared) {
      this.#link?.settle(this, probe, result)
      return
    }
    const now = this.#host.now()
    const from = this.machine.phase.state
    report(this.machine, this.#localPolicy, now, this.view(now), this.#host.by, probe.token, result)
    this.#moved(from, true)
  }

  /** Says that the probe still runs: to be called three times per lease. */
  renew(probe: Probe): void {
    if (probe.shared) {
      this.#link?.renew(this, probe)
      return
    }
    const now = this.#host.now()
    acquire(this.machine, this.#localPolicy, now, this.view(now), this.#host.by, probe.token, true)
  }

  #acquireHere(now: number): Admission {
    const from = this.machine.phase.state
    const token = `${this.#host.by}-${++probes}`
    const reply = acquire(this.machine, this.#localPolicy, now, this.view(now), this.#host.by, token, false)
    this.#moved(from, true)
    if (reply.result === 'denied') return refusal(reply.retryInMs)
    return reply.result === 'granted' ? { token, shared: false, startedAt: now } : undefined
  }

  /** An operator's word, for this process. */
  control(action: ControlAction): void {
    const now = this.#host.now()
    const from = this.machine.phase.state
    control(this.machine, this.#localPolicy, now, this.view(now), this.#host.by, action)
    this.#moved(from, true)
  }

  view(now: number): View {
    return viewOf(this.machine, now)
  }

  /** Takes over what the shared store says. The first view of a closed circuit changes nothing for calls in flight. */
  apply(view: View, now: number): void {
    const { machine } = this
    const from = machine.phase.state
    const first = machine.epoch === 0 && view.state === 'closed' && view.override === undefined
    machine.epoch = view.epoch
    machine.trips = view.trips
    machine.override = view.override
    machine.by = view.by
    if (first) {
      this.#seenEpoch = view.epoch
      return
    }
    machine.window.clear()
    machine.reporters.clear()
    if (view.state === 'open') machine.phase = { state: 'open', until: Math.ceil(now) + view.remainingMs }
    else if (view.state === 'closed') machine.phase = { state: 'closed' }
    else machine.phase = { state: 'half-open', successes: 0, leases: new Map() }
    this.#moved(from, view.by === this.#host.by)
  }

  /** The options of the breaker that uses the key; until then an operator's word has made it with the defaults. */
  claim(policy: CircuitPolicy): void {
    this.claimed = true
    this.policy = policy
    this.#localPolicy = { ...policy, quorum: 1 }
    this.machine.window = new CountWindow(bucketMs(policy))
  }

  snapshot(): CircuitSnapshot {
    const { machine, shared } = this
    const now = this.#host.now()
    const here = machine.window.sums(now)
    const sums = shared !== undefined && this.#linked ? shared.sums(here, now, this.policy) : here
    const { phase, override } = machine
    return {
      key: this.key,
      state: phase.state,
      ...(override === undefined ? {} : { override }),
      ...(phase.state === 'open' && override === undefined
        ? { retryAfterMs: Math.max(0, Math.ceil(phase.until - now)) }
        : {}),
      failures: sums.failed,
      requests: sums.total,
      epoch: machine.epoch,
      degraded: shared?.degraded ?? false,
    }
  }

  /** After anything that may have been a transition. */
  #moved(from: CircuitStateName, here: boolean): void {
    const { machine } = this
    if (machine.epoch === this.#seenEpoch) return
    this.#seenEpoch = machine.epoch
    this.generation += 1
    this.passing =
      machine.override === 'forced-closed' ||
      (machine.override === undefined && machine.phase.state === 'closed')
    this.shared?.newRound()
    this.#host.moved(this, from, here)
  }
}

function refusal(retryAfterMs: number): Refusal {
  return { retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)) }
}
