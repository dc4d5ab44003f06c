import { type Scheduler, systemScheduler } from './clock.ts'
import { sleep } from './sleep.ts'

/** Spaces turns evenly, so that at most `ratePerSecond` come per second. */
export class Pace {
  readonly #everyMs: number
  readonly #clock: Scheduler
  #next = -Infinity

  constructor(ratePerSecond: number, clock: Scheduler = systemScheduler) {
    this.#everyMs = 1000 / ratePerSecond
    this.#clock = clock
  }

  /** Resolves to true when the turn has come, to false when `signal` ended the wait. */
  async turn(signal: AbortSignal): Promise<boolean> {
    const now = this.#clock.now()
    const at = Math.max(now, this.#next)
    this.#next = at + this.#everyMs
    if (at <= now) return !signal.aborted
    return sleep(this.#clock, at - now, signal)
  }
}
