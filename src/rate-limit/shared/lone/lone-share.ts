import type { LimitRule } from '../../limit.ts'
import { SlidingWindow } from '../../sliding-window.ts'
import { shareOf } from '../demand.ts'

/** What all had used when the store was last heard, and among how many processes. */
export interface LastHeard {
  readonly at: number
  readonly processes: number
  /** Units by tenths of the window, the latest first. */
  readonly profile: readonly number[]
}

/**
 * What a process may use while the store is out of reach: an even share of the limit. What was used before counts against
 * the shares of all, evenly, so that together they stay under the limit from the first moment on.
 */
export class LoneShare {
  readonly #rule: LimitRule
  readonly #share: number
  readonly #window: SlidingWindow

  /** @param own what this process used, which the store may not have heard of */
  constructor(rule: LimitRule, { at, processes, profile }: LastHeard, own: SlidingWindow, now: number) {
    this.#rule = rule
    this.#share = shareOf(rule.limit, processes)
    this.#window = new SlidingWindow(rule.windowMs)
    const tenth = rule.windowMs / profile.length
    for (let age = profile.length - 1; age >= 0; age--) {
      this.#window.add(profile[age]! / processes, Math.max(0, at - age * tenth))
    }
    for (const [ageMs, units] of own.history(now)) {
      if (now - ageMs > at) this.#window.add(units, now - ageMs)
    }
  }

  free(now: number): number {
    return this.#share - this.#window.used(now)
  }

  used(now: number): number {
    return this.#window.used(now)
  }

  fits(units: number, now: number, background: boolean): boolean {
    if (units === 0) return true
    const reserved = background ? Math.floor((this.#rule.reserved * this.#share) / this.#rule.limit) : 0
    const used = this.used(now)
    // one that costs more than the share goes when nothing else did
    return used + units + reserved <= this.#share || (used < 1 && units > this.#share)
  }

  add(units: number, now: number): void {
    this.#window.add(units, now)
  }

  remove(units: number, at: number, now: number): void {
    this.#window.remove(units, at, now)
  }

  freeAt(units: number, now: number): number {
    if (units === 0) return now
    const missing = this.used(now) + Math.min(units, this.#share) - this.#share
    return missing <= 0 ? now : Math.min(this.#window.leave(missing, now), now + this.#rule.windowMs)
  }
}
