import { FairQueue, type InLine } from '../call/line/fair-queue.ts'
import { throwApart } from '../errors.ts'
import { MAX_TIMER_MS } from '../options.ts'
import type { Scheduler } from '../time/clock.ts'
import type { Limit, Wanted } from './limit.ts'
import { Ramp } from './ramp.ts'

/** Who refused: the provider, by a cool-down, or the limiter, for want of permits. */
export type RefusedBy = 'provider' | 'limiter'

/** A call that waits for its turn. */
export interface Waiting extends InLine {
  /** What it costs, for each limit of the key. */
  readonly units: readonly number[]
  readonly background: boolean
  /** Until when it may wait. */
  readonly waitsUntil: number
  /** It goes: its units are taken. */
  release(): void
  /** It has left the line and is told why. */
  refuse(by: RefusedBy, retryAfterMs: number): void
}

/** How long calls pass an open circuit without permits, after it has refused one. */
const OPEN_CIRCUIT_MS = 1_000

/** Everything that holds the calls of one key back in this process: its limits, a cool-down, and the line. */
export class Limiter {
  readonly key: string
  /** One of each rule; none where only cool-downs hold calls back. */
  readonly limits: readonly Limit[]
  /** The end of the cool-down, by the steady clock. */
  coolUntil = 0
  /** One unit of each limit. */
  readonly ones: readonly number[]
  /** The store has forgotten it: the next call of the key gets another one. */
  dropped = false
  /** When the circuit under it last refused a call, unless it has let one through since. */
  circuitRefusedAt = -Infinity
  readonly ramp = new Ramp()
  readonly #scheduler: Scheduler
  readonly #maxQueue: number
  readonly #live = new FairQueue<Waiting>()
  readonly #background = new FairQueue<Waiting>()
  /** Units of all that wait, for each limit. */
  readonly #waitingUnits: number[]
  #cancelTimer: (() => void) | undefined
  #timerAt = Infinity
  #pumping = false
  /** The limits were told of calls that wait. */
  #wanted = false

  constructor(
    key: string,
    makeLimits: (limiter: Limiter) => readonly Limit[],
    maxQueue: number,
    scheduler: Scheduler,
  ) {
    this.key = key
    this.#maxQueue = maxQueue
    this.#scheduler = scheduler
    this.limits = makeLimits(this)
    this.ones = this.limits.map(() => 1)
    this.#waitingUnits = this.limits.map(() => 0)
  }

  get waiting(): number {
    return this.#live.size + this.#background.size
  }

  get full(): boolean {
    return this.waiting >= this.#maxQueue
  }

  /** Takes a permit, if the call may go at once. A healthy call goes through here: nothing is allocated. */
  passes(units: readonly number[], now: number, background: boolean): boolean {
    if (now < this.coolUntil || this.#live.size !== 0) return false
    if (background && this.#background.size !== 0) return false
    const { limits } = this
    if (limits.length === 0) return this.ramp.take(now)
    for (let at = 0; at < limits.length; at++) {
      if (!limits[at]!.fits(units[at]!, now, false, background)) return false
    }
    for (let at = 0; at < limits.length; at++) limits[at]!.take(units[at]!, now, background)
    return true
  }

  /** The circuit has just refused a call: the next ones are not to use up permits, nor wait, to be refused. */
  passesToOpenCircuit(now: number): boolean {
    return now - this.circuitRefusedAt < OPEN_CIRCUIT_MS && now >= this.coolUntil
  }

  /** How long a call that comes now has to wait at least, as far as is known, and because of whom. */
  knownWait(units: readonly number[], now: number): { readonly ms: number; readonly by: RefusedBy } {
    const coolMs = Math.max(0, this.coolUntil - now)
    let ms = this.limits.length === 0 ? this.ramp.nextAt(now, this.waiting) - now : 0
    for (const [at, limit] of this.limits.entries()) {
      ms = Math.max(ms, limit.knownWait(units[at]! + this.#waitingUnits[at]!, now))
    }
    const ofProvider = coolMs > 0 || this.limits.length === 0
    return { ms: Math.max(ms, coolMs), by: ofProvider ? 'provider' : 'limiter' }
  }

  join(waiting: Waiting): void {
    this.#lineOf(waiting).add(waiting)
    this.#count(waiting, 1)
    this.pump()
  }

  /** It gave up. */
  leave(waiting: Waiting): void {
    // who comes next may be smaller
    if (this.#remove(waiting)) this.pump()
  }

  /** Nothing was sent: others may have its units. */
  giveBack(units: readonly number[], at: number): void {
    const now = this.#scheduler.now()
    this.limits.forEach((limit, index) => limit.giveBack(units[index]!, at, now))
    this.pump()
  }

  charge(units: readonly number[]): void {
    const now = this.#scheduler.now()
    this.limits.forEach((limit, index) => {
      if (units[index]! > 0) limit.charge(units[index]!, now)
    })
  }

  /** No call goes before `until`; who cannot wait for so long is told so. */
  cool(until: number, sentPerSecond: number): void {
    const now = this.#scheduler.now()
    if (this.limits.length === 0) this.ramp.refused(now, sentPerSecond, until)
    if (until <= this.coolUntil) return
    this.coolUntil = until
    for (const waiting of [...this.#live, ...this.#background]) {
      // one that was told may have taken others with it
      if (until > waiting.waitsUntil && this.#remove(waiting)) {
        try {
          waiting.refuse('provider', until - now)
        } catch (error) {
          throwApart(error)
        }
      }
    }
    this.pump()
  }

  /** Ends a cool-down. */
  warm(): void {
    this.coolUntil = 0
    this.ramp.end()
    this.pump()
  }

  /** Whether it holds calls back, or knows what a later call must know. */
  holds(now: number): boolean {
    return this.limits.length > 0 || !this.forgettable(now)
  }

  /** Whether one that is made anew holds back no less. */
  forgettable(now: number): boolean {
    if (this.waiting > 0 || now < this.coolUntil || this.ramp.holds(now)) return false
    return this.limits.every((limit) => limit.forgettable(now))
  }

  /** Lets go who may go, and looks again when that may be more. A limit calls it when it has got permits. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    let next: Waiting | undefined
    while ((next = this.#live.first ?? this.#background.first) !== undefined) {
      if (!this.#takesFor(next, this.#scheduler.now())) break
      this.#remove(next)
      try {
        next.release()
      } catch (error) {
        throwApart(error)
      }
    }
    this.#pumping = false
    this.#wait(next)
  }

  close(): void {
    this.dropped = true
    this.#cancelTimer?.()
    for (const limit of this.limits) limit.close()
  }

  #takesFor({ units, background }: Waiting, now: number): boolean {
    if (now < this.coolUntil) return false
    if (this.limits.length === 0) return this.ramp.take(now)
    if (!this.limits.every((limit, at) => limit.fits(units[at]!, now, true, background))) return false
    this.limits.forEach((limit, at) => limit.take(units[at]!, now, background))
    return true
  }

  #wait(first: Waiting | undefined): void {
    if (first === undefined) {
      this.#setTimer(Infinity)
      if (this.#wanted) this.#want()
      return
    }
    const now = this.#scheduler.now()
    if (now < this.coolUntil) {
      // no limit is asked before: one that says itself when to look again is silent while nobody wants anything of it
      this.#setTimer(this.coolUntil)
      return
    }
    let at = this.limits.length === 0 ? this.ramp.nextAt(now) : 0
    for (const [index, limit] of this.limits.entries()) {
      at = Math.max(at, limit.retryAt(first.units[index]!, now, first.background))
    }
    this.#setTimer(at)
    this.#want()
  }

  /** Tells each limit what is waited for, as far as the others could let it go: permits are not hoarded. */
  #want(): void {
    this.#wanted = this.waiting > 0
    const now = this.#scheduler.now()
    const available = this.limits.map((limit) => limit.available(now))
    for (const [at, limit] of this.limits.entries()) {
      limit.want(wantedOf(this.#live, at, available), wantedOf(this.#background, at, available))
    }
  }

  #setTimer(at: number): void {
    if (at === this.#timerAt) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#timerAt = at
    if (at === Infinity) return
    // timers may fire a millisecond early, and a provider's wait is never undercut
    const ms = Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(at - this.#scheduler.now()) + 1))
    this.#cancelTimer = this.#scheduler.after(ms, () => {
      this.#timerAt = Infinity
      this.pump()
    })
  }

  #lineOf({ background }: Waiting): FairQueue<Waiting> {
    return background ? this.#background : this.#live
  }

  #remove(waiting: Waiting): boolean {
    if (!this.#lineOf(waiting).remove(waiting)) return false
    this.#count(waiting, -1)
    return true
  }

  #count({ units }: Waiting, sign: 1 | -1): void {
    units.forEach((count, at) => (this.#waitingUnits[at] = (this.#waitingUnits[at] ?? 0) + sign * count))
  }
}

/** The most calls that permits are asked for at once, and how many more than the other limits have permits for. */
const ASKED_FOR = 64
const ASKED_AHEAD = 2

function wantedOf(line: FairQueue<Waiting>, at: number, available: readonly number[]): Wanted {
  const left = [...available]
  let all = 0
  let calls = 0
  let ahead = 0
  for (const { units } of line) {
    const others = left.every((units_, other) => other === at || (left[other] = units_ - units[other]!) >= 0)
    if (!others && ++ahead > ASKED_AHEAD) break
    all += units[at]!
    if (++calls === ASKED_FOR) break
  }
  return { all, first: line.first?.units[at] ?? 0 }
}
