import { type Scheduler, systemScheduler } from '../../../time/clock.ts'

/** The wait after a failure of the store: doubles up to the second number, and is spread over its upper half. */
const BACKOFF_MS = [100, 15_000] as const

/** Whether the store failed last time, and when it may be tried again, by a steady clock. */
export class Outage {
  readonly #clock: Pick<Scheduler, 'now' | 'random'>
  #failures = 0
  #until = -Infinity

  constructor(clock: Pick<Scheduler, 'now' | 'random'> = systemScheduler) {
    this.#clock = clock
  }

  /** Whether the store failed last time. */
  get on(): boolean {
    return this.#failures > 0
  }

  /**
   * How long a timer has to wait before the store is tried again, in milliseconds; 0 or less when it may be tried now. Timers
   * drop fractions and may fire a millisecond early: a store that is tried too early fails without a longer wait.
   */
  get waitMs(): number {
    const left = this.#left
    return left > 0 ? Math.ceil(left) + 1 : left
  }

  get mayTry(): boolean {
    return this.#left <= 0
  }

  get #left(): number {
    return this.#until - this.#clock.now()
  }

  /** Lets the store be tried at once. */
  tryNow(): void {
    this.#until = -Infinity
  }

  /** The store failed. True for the first failure of an outage. */
  failed(): boolean {
    // what was in flight together fails together, and counts once
    if (this.on && !this.mayTry) return false
    const [first, most] = BACKOFF_MS
    const wait = Math.min(most, first * 2 ** this.#failures++)
    this.#until = this.#clock.now() + wait / 2 + (this.#clock.random() * wait) / 2
    return this.#failures === 1
  }

  /** The store works. True when that ends an outage. */
  over(): boolean {
    const was = this.on
    this.#failures = 0
    this.#until = -Infinity
    return was
  }
}
