import { FairQueue, type InLine } from '../call/line/fair-queue.ts'
import { finishes, meanAfter } from './admission.ts'
import { Aimd, type AimdPolicy } from './aimd.ts'

/** A call in line. */
export interface Waiter extends InLine {
  /** It is the first, and a slot is free: it goes now, which takes the slot, or not at all. It has left the line. */
  turn(): void
}

/** The slots of one key, and the calls that wait for one: first come, first served. */
export class Slots {
  readonly key: string
  readonly #limit: number
  readonly #aimd: Aimd | undefined
  readonly #idle: (slots: Slots) => void
  readonly #line = new FairQueue<Waiter>()
  #taken = 0
  #meanMs: number | undefined
  #waking = false

  /** @param idle told each time that nobody holds a slot and nobody waits */
  constructor(key: string, limit: number, adaptive: AimdPolicy | undefined, idle: (slots: Slots) => void) {
    this.key = key
    this.#limit = limit
    if (adaptive !== undefined) this.#aimd = new Aimd(adaptive)
    this.#idle = idle
  }

  /** Attempts that may be in flight, now. */
  get limit(): number {
    return this.#aimd === undefined ? this.#limit : this.#aimd.limit
  }

  /** Whether a call may go at once: nobody who came before it waits. */
  get free(): boolean {
    return this.#taken < this.limit && this.#line.size === 0
  }

  get waiting(): number {
    return this.#line.size
  }

  /** The mean response time, in milliseconds; `undefined` while nothing has answered. */
  get meanMs(): number | undefined {
    return this.#meanMs
  }

  /** Whether a call with so much time left, in milliseconds, is worth a slot. */
  finishes(remainingMs: number): boolean {
    return finishes(remainingMs, this.#meanMs)
  }

  take(): void {
    this.#taken += 1
  }

  /**
   * The provider has refused an attempt, or has not answered it in time.
   * @param startedAt when it began; as `now` on the steady clock
   */
  overloaded(startedAt: number, now: number): void {
    this.#aimd?.overloaded(startedAt, now)
  }

  /**
   * @param ms how long the provider had, in milliseconds
   * @param answered whether it has answered, and `good` whether it did not refuse
   */
  release(ms: number, answered: boolean, good = answered): void {
    if (good && this.#aimd !== undefined) this.#aimd.answered(this.#taken >= this.#aimd.limit)
    this.#taken -= 1
    this.#meanMs = meanAfter(this.#meanMs, ms, answered)
    if (this.#line.size > 0) this.#wake()
    else if (this.#taken === 0) this.#idle(this)
  }

  join(waiter: Waiter): void {
    this.#line.add(waiter)
  }

  leave(waiter: Waiter): void {
    if (this.#line.remove(waiter) && this.#line.size === 0 && this.#taken === 0) this.#idle(this)
  }

  /** Not at once: a slot comes free in the middle of another call's answer, and a throw of one must not hit the other. */
  #wake(): void {
    if (this.#waking) return
    this.#waking = true
    queueMicrotask(() => {
      this.#waking = false
      this.#letGo()
    })
  }

  #letGo(): void {
    try {
      while (this.#taken < this.limit) {
        const { first } = this.#line
        if (first === undefined) break
        // not `leave`: it is not idle while the first of them is about to take a slot
        this.#line.remove(first)
        first.turn()
      }
      if (this.#taken === 0 && this.#line.size === 0) this.#idle(this)
    } catch (error) {
      // of a caller's handler: the others still wait
      this.#wake()
      throw error
    }
  }
}
