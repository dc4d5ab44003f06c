/** Of what this process sent before, it comes back with this share. */
const BACK_WITH = 0.7
/** The least rate, per second. */
const LEAST = 0.5
/** It never becomes slower than this share of what was sent before the first refusal: some refusals are about no rate. */
const FLOOR = 0.3
/** How much faster per second: by this share, and at least by so much. */
const GROWTH = 0.15
const LEAST_GROWTH = 0.3
/** Calls that may go at once. */
const BURST = 2
/** Refusals that come so close are one. */
const ONE_REFUSAL_MS = 500
/** Without a refusal or a line for so long, a ramp is over. */
const FORGOTTEN_MS = 10_000

/**
 * How calls come back after a cool-down: not all at once, which would call for the next one, but at a rate that grows. Of
 * what was tried (all at once, jitter, slow start by calls in flight), only a rate ends the refusals. Pure: time is passed
 * in.
 */
export class Ramp {
  #perSecond = Infinity
  #floor = LEAST
  #hasServed = false
  #credit = 0
  #creditedAt = 0
  #refusedAt = -Infinity
  #neededAt = -Infinity

  /**
   * The provider refused.
   * @param sentPerSecond what this process sent of late
   * @param until when calls may come back
   */
  refused(now: number, sentPerSecond: number, until: number): void {
    this.#neededAt = Math.max(this.#neededAt, until)
    if (now - this.#refusedAt <= ONE_REFUSAL_MS) {
      this.#creditedAt = Math.max(this.#creditedAt, until)
      return
    }
    this.#refusedAt = now
    if (this.#perSecond === Infinity) {
      this.#floor = Math.max(LEAST, FLOOR * sentPerSecond)
      this.#perSecond = Math.max(this.#floor, BACK_WITH * sentPerSecond)
    } else if (this.#hasServed) this.#perSecond = Math.max(this.#floor, BACK_WITH * this.#perSecond)
    this.#hasServed = false
    this.#creditedAt = until
    this.#credit = 1
  }

  /** The provider took a call: a refusal after that may be about the rate. */
  served(): void {
    this.#hasServed = true
  }

  /** Whether it still holds calls back. */
  holds(now: number): boolean {
    if (this.#perSecond === Infinity) return false
    if (now - this.#neededAt > FORGOTTEN_MS) this.#perSecond = Infinity
    return this.#perSecond !== Infinity
  }

  end(): void {
    this.#perSecond = Infinity
  }

  /** A call that wants to go: whether it may. */
  take(now: number): boolean {
    if (!this.holds(now)) return true
    this.#grow(now)
    if (this.#credit < 1) {
      this.#neededAt = Math.max(this.#neededAt, now)
      return false
    }
    this.#credit -= 1
    return true
  }

  /** When the call that comes after `ahead` others may go, as fast as it goes. */
  nextAt(now: number, ahead = 0): number {
    if (!this.holds(now)) return now
    this.#grow(now)
    const missing = ahead + 1 - this.#credit
    return Math.max(now, this.#creditedAt) + (missing <= 0 ? 0 : this.#secondsFor(missing) * 1000)
  }

  /** The solution of what `#grow` does step by step: of its two ways to grow the faster one. */
  #secondsFor(calls: number): number {
    const rate = this.#perSecond
    const byShare = Math.log(1 + (GROWTH * calls) / rate) / GROWTH
    const evenly = (Math.sqrt(rate * rate + 2 * LEAST_GROWTH * calls) - rate) / LEAST_GROWTH
    return Math.min(byShare, evenly)
  }

  #grow(now: number): void {
    if (now <= this.#creditedAt) return
    const seconds = (now - this.#creditedAt) / 1000
    this.#perSecond += seconds * Math.max(LEAST_GROWTH, GROWTH * this.#perSecond)
    this.#credit = Math.min(BURST, this.#credit + seconds * this.#perSecond)
    this.#creditedAt = now
  }
}
