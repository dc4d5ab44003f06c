import type { Scheduler } from '../../../time/clock.ts'
import type { Strain } from '../../../time/strain.ts'

/** Without an answer for so long the store is out of reach: one lost reply is no outage. In milliseconds. */
const OUTAGE_MS = 600
/** Where it does not answer in time it is asked again so many times later: soon enough to tell what a share is used for. */
const MOST_TIMES = 2

/** Whether the store is out of reach for a limit, and when it is worth asking it again. */
export class Outage {
  readonly #scheduler: Scheduler
  readonly #strain: Strain
  /** Since when it has answered nothing. */
  #since: number | undefined

  constructor(scheduler: Scheduler, strain: Strain) {
    this.#scheduler = scheduler
    this.#strain = strain
  }

  /** It has not answered the last exchange. */
  get isFeared(): boolean {
    return this.#since !== undefined
  }

  /** @param ms how long the server took for it */
  answered(ms: number): void {
    this.#strain.answered(ms)
    this.#since = undefined
  }

  /**
   * An exchange has failed.
   * @param sentAt when that one began
   * @returns whether the store is out of reach, and in how many milliseconds to ask again
   */
  failed(sentAt: number, now: number): { readonly lasts: boolean; readonly retryMs: number } {
    this.#strain.failed(now - sentAt)
    this.#since ??= sentAt
    const lasts = now - this.#since >= OUTAGE_MS
    const random = this.#scheduler.random()
    if (!lasts) return { lasts, retryMs: 20 + random * 30 }
    return { lasts, retryMs: (500 + random * 500) * Math.min(this.#strain.times, MOST_TIMES) }
  }
}
