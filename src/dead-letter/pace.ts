import { setTimeout as sleep } from 'node:timers/promises'

/** Lets through at most so many per second, evenly spread. */
export class Pace {
  readonly #everyMs: number
  #next = 0

  constructor(ratePerSecond: number) {
    this.#everyMs = 1000 / ratePerSecond
  }

  /** Nobody's turn comes for so long. */
  hold(ms: number): void {
    this.#next = Math.max(this.#next, performance.now() + ms)
  }

  /** Resolves when it is one's turn; false when `signal` ended the wait. */
  async turn(signal: AbortSignal): Promise<boolean> {
    const now = performance.now()
    const at = Math.max(now, this.#next)
    this.#next = at + this.#everyMs
    if (at <= now) return !signal.aborted
    try {
      await sleep(at - now, undefined, { signal })
      return true
    } catch {
      return false
    }
  }
}
