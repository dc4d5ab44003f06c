import type { Scheduler } from '../../time/clock.ts'

/** When a limit talks to its store next. One exchange is under way at a time: what comes meanwhile asks for another one. */
export class NextExchange {
  readonly #scheduler: Scheduler
  readonly #begin: () => void
  #underWay = false
  #again = false
  #cancelTimer: (() => void) | undefined
  #timerAt = Infinity
  #closed = false

  /** @param begin makes it, soon */
  constructor(scheduler: Scheduler, begin: () => void) {
    this.#scheduler = scheduler
    this.#begin = begin
  }

  /** One is due, by the timer. */
  get isDue(): boolean {
    return this.#timerAt !== Infinity
  }

  get underWay(): boolean {
    return this.#underWay
  }

  /** Something was asked for while the last one was under way. */
  get again(): boolean {
    return this.#again
  }

  /** It begins. */
  begun(): void {
    this.#underWay = true
    this.#again = false
  }

  /** It was answered, or was not. */
  ended(): void {
    this.#underWay = false
  }

  now(): void {
    if (this.#underWay) this.#again = true
    else this.#begin()
  }

  /** Once the one that is under way is over. */
  afterThis(): void {
    this.#again = true
  }

  /** After so many milliseconds, unless it is sooner anyway. */
  in(ms: number): void {
    const now = this.#scheduler.now()
    const at = now + ms
    if (this.#closed || this.#timerAt <= at) return
    this.#cancelTimer?.()
    this.#timerAt = at
    // a call that waits keeps the process alive itself
    this.#cancelTimer = this.#scheduler.after(
      Math.max(1, at - now),
      () => {
        this.#timerAt = Infinity
        this.now()
      },
      { unref: true },
    )
  }

  close(): void {
    this.#closed = true
    this.#cancelTimer?.()
  }
}
