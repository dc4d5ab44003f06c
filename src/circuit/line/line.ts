import type { Scheduler } from '../../time/clock.ts'
import { type Admission, go, type Granted, type Refusal, refuse } from '../admission.ts'
import type { CircuitPolicy } from '../machine/policy.ts'
import type { Machine, Override } from '../machine/state.ts'
import { isWaitedOut, mayJoin, waitLeftMs } from './decision.ts'

/** What the line needs of its circuit. */
interface LinedCircuit {
  readonly passing: boolean
  readonly policy: CircuitPolicy
  readonly machine: Machine
  readonly override: Override | undefined
  readonly clock: Scheduler
  lastUsedAt: number
  admit(now: number): Admission | Promise<Admission>
  /** Gives back a probe that nobody takes any more. */
  giveBack(granted: Granted): void
}

/** A call that waits. It is told one of the two, once, from a timer: in the async context of none. */
export interface Waiter {
  /** The call, whose waits are added up, in milliseconds: over its attempts, and with those for permits. */
  readonly call: { waitedMs?: number }
  /** When the call as a whole times out, on the circuit's clock; `Infinity` without a deadline. */
  readonly deadline: number
  goes(granted: Granted): void
  refused(refusal: Refusal): void
}

interface Place {
  readonly waiter: Waiter
  readonly since: number
  /** When it has waited for as long as it may. */
  readonly endsAt: number
  cancelEnd: () => void
}

/**
 * The calls of this process that wait out a short opening of one circuit, in the order in which they came. When the time
 * is up the oldest ask for probes. When the circuit passes again they go at the pace in which they came, each as long
 * after it came as the oldest has waited: so nobody waits longer than the oldest, and the provider sees the usual rate.
 *
 * A transition only sets the timer: it may come in the middle of another call's answer.
 */
export class Line {
  readonly #circuit: LinedCircuit
  readonly #places = new Set<Place>()
  #cancelTimer: (() => void) | undefined
  #wakesAt = Infinity
  /** When the circuit said that it may be asked again. */
  #askAt = 0
  /** A store is being asked for a probe. */
  #asking = false
  /** How long each waits, from when it came, since the circuit passes again. */
  #holdMs: number | undefined

  constructor(circuit: LinedCircuit) {
    this.#circuit = circuit
  }

  get waiting(): number {
    return this.#places.size
  }

  /** Lets a call wait that was refused. Returns what takes it out again; `undefined` where it may not wait. */
  join(waiter: Waiter, { retryAfterMs }: Refusal): (() => void) | undefined {
    const { policy, machine, override, clock } = this.#circuit
    const now = clock.now()
    const leftMs = waitLeftMs(policy, waiter.call.waitedMs ?? 0, waiter.deadline - now)
    const { phase } = machine
    const openForMs = phase.state === 'open' ? Math.max(0, phase.until - now) : 0
    const may = mayJoin(policy, {
      trips: machine.trips,
      overridden: override !== undefined,
      openForMs,
      leftMs,
      waiting: this.#places.size,
    })
    if (!may) return undefined
    const place: Place = {
      waiter,
      since: now,
      endsAt: now + leftMs,
      // its caller waits, so it keeps the process alive
      cancelEnd: clock.after(leftMs, () => this.#end(place)),
    }
    this.#places.add(place)
    this.#askAt = now + retryAfterMs
    // a millisecond more: timers may fire one early
    this.#wakeAt(now + (openForMs > 0 ? openForMs : retryAfterMs) + 1)
    return () => this.#leave(place)
  }

  /** The circuit may have something to say that the line has not heard: it moved, or a probe's slot came back. */
  wake(): void {
    if (this.#places.size > 0) this.#wakeAt(this.#circuit.clock.now())
  }

  #wakeAt(at: number): void {
    if (at >= this.#wakesAt) return
    const { clock } = this.#circuit
    this.#cancelTimer?.()
    this.#wakesAt = at
    this.#cancelTimer = clock.after(Math.max(0, at - clock.now()), () => this.#tick())
  }

  #tick(): void {
    this.#wakesAt = Infinity
    this.#cancelTimer = undefined
    try {
      this.#proceed(this.#circuit.clock.now())
    } catch (error) {
      // of a caller's handler: the others still wait
      this.wake()
      throw error
    }
  }

  #proceed(now: number): void {
    const { passing, policy, machine, override } = this.#circuit
    const { phase, trips } = machine
    if (passing) {
      this.#letGo(now)
      return
    }
    this.#holdMs = undefined
    if (override !== undefined || !isWaitedOut(policy, trips)) {
      for (const place of this.#places) this.#refuse(place, now)
    } else if (phase.state === 'open' && now < phase.until) {
      for (const place of this.#places) if (place.endsAt < phase.until) this.#refuse(place, now)
      if (this.#places.size > 0) this.#wakeAt(phase.until + 1)
    } else this.#ask(now)
  }

  /** The delay line. */
  #letGo(now: number): void {
    for (const place of this.#places) {
      this.#holdMs ??= now - place.since
      const at = place.since + this.#holdMs
      if (at > now || !this.#circuit.passing) {
        this.#wakeAt(at)
        return
      }
      this.#goes(place, go)
    }
  }

  /** The oldest ask for probes, until one is refused. */
  #ask(now: number): void {
    if (this.#asking) return
    for (const place of this.#places) {
      const admission = this.#circuit.admit(now)
      if (admission instanceof Promise) {
        this.#asking = true
        void admission.then((answer) => this.#answered(answer))
        return
      }
      if (admission.kind === 'refused') {
        this.#askLater(now, admission)
        return
      }
      this.#goes(place, admission)
    }
  }

  /** A store's answer. It is for whoever is the oldest by now. */
  #answered(answer: Admission): void {
    this.#asking = false
    if (answer.kind === 'refused') {
      this.#askLater(this.#circuit.clock.now(), answer)
      return
    }
    const [oldest] = this.#places
    if (oldest === undefined) this.#circuit.giveBack(answer)
    else if (answer.kind === 'probe') this.#goes(oldest, answer)
    this.wake()
  }

  #askLater(now: number, { retryAfterMs }: Refusal): void {
    this.#askAt = now + retryAfterMs
    if (this.#places.size > 0) this.#wakeAt(this.#askAt)
  }

  /** It has waited for as long as it may. */
  #end(place: Place): void {
    if (this.#circuit.passing) this.#goes(place, go)
    else this.#refuse(place, this.#circuit.clock.now())
  }

  #goes(place: Place, granted: Granted): void {
    const circuit = this.#circuit
    circuit.lastUsedAt = Math.max(circuit.lastUsedAt, circuit.clock.now())
    this.#leave(place)
    place.waiter.goes(granted)
  }

  #refuse(place: Place, now: number): void {
    const { machine, policy, override } = this.#circuit
    const { phase } = machine
    let retryAfterMs = this.#askAt - now
    if (override !== undefined) retryAfterMs = policy.timeoutMs
    else if (phase.state === 'open') retryAfterMs = phase.until - now
    this.#leave(place)
    place.waiter.refused(refuse(retryAfterMs))
  }

  #leave(place: Place): void {
    if (!this.#places.delete(place)) return
    const { call } = place.waiter
    place.cancelEnd()
    call.waitedMs = (call.waitedMs ?? 0) + this.#circuit.clock.now() - place.since
    if (this.#places.size > 0) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#wakesAt = Infinity
    this.#holdMs = undefined
  }
}
