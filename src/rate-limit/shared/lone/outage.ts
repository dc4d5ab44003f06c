import type { Scheduler } from '../../../time/clock.ts'

/** Without an answer for so long the store is out of reach: one lost reply is no outage. In milliseconds. */
const OUTAGE_MS = 600

/** Whether the store is out of reach for a limit, and when it is worth asking it again. */
export class Outage {
  readonly #scheduler: Scheduler
  /** Since when it has answered nothing. */
  #since: number | undefined

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** It has not answered the last exchange. */
  get isFeared(): boolean {
    return this.#since !== undefined
  }

  answered(): void {
    this.#since = undefined
  }

  /**
   * An exchange has failed.
   * @param sentAt when that one began
   * @returns whether the store is out of reach, and in how many milliseconds to ask again
   */
  failed(sentAt: number, now: number): { readonly lasts: boolean; readonly retryMs: number } {
    this.#since ??= sentAt
    const lasts = now - this.#since >= OUTAGE_MS
    const random = this.#scheduler.random()
    return { lasts, retryMs: lasts ? 500 + random * 500 : 20 + random * 30 }
  }
}
