/** Parts that a window is counted in: what was used is forgotten a part too late at the most, never too early. */
const PARTS = 100
/** Parts in the tenth of a window, and the one that has just begun. */
const TENTH = PARTS / 10 + 1
const SLOTS = PARTS + 1

/** Units used within a window that slides. Pure: the time is passed in, and never goes back. */
export class SlidingWindow {
  readonly #partMs: number
  readonly #units = new Float64Array(SLOTS)
  /** The part that time is in, and when it ends. */
  #current = -1
  #ends = 0
  #used = 0

  /** @param windowMs how long a unit counts, in milliseconds */
  constructor(windowMs: number) {
    this.#partMs = windowMs / PARTS
  }

  used(now: number): number {
    if (now >= this.#ends) this.#advance(now)
    return this.#used
  }

  add(units: number, now: number): void {
    if (now >= this.#ends) this.#advance(now)
    const slot = this.#current % SLOTS
    this.#units[slot] = this.#units[slot]! + units
    this.#used += units
  }

  /** Units that were added at `at` and not used after all. What has left the window since is gone. */
  remove(units: number, at: number, now: number): void {
    if (now >= this.#ends) this.#advance(now)
    const part = Math.floor(at / this.#partMs)
    if (part <= this.#current - SLOTS) return
    const slot = Math.min(part, this.#current) % SLOTS
    const removed = Math.min(units, this.#units[slot]!)
    this.#units[slot] = this.#units[slot]! - removed
    this.#used -= removed
  }

  clear(): void {
    this.#units.fill(0)
    this.#used = 0
  }

  /** Units of the last tenth. */
  usedLately(now: number): number {
    if (now >= this.#ends) this.#advance(now)
    let sum = 0
    for (let part = Math.max(0, this.#current - TENTH + 1); part <= this.#current; part++) {
      sum += this.#units[part % SLOTS]!
    }
    return sum
  }

  /** When `units` of those in the window will have left it, in milliseconds; Infinity where there are fewer. */
  leave(units: number, now: number): number {
    return this.#leave(units, now, SLOTS)
  }

  /** When `units` of those in the last tenth will have left that tenth. */
  leaveTenth(units: number, now: number): number {
    return this.#leave(units, now, TENTH)
  }

  /** How long ago what is in the window was used, and how much: `[milliseconds, units]`, the oldest first. */
  *history(now: number): Generator<[ageMs: number, units: number]> {
    if (now >= this.#ends) this.#advance(now)
    for (let part = Math.max(0, this.#current - SLOTS + 1); part <= this.#current; part++) {
      const units = this.#units[part % SLOTS]!
      if (units > 0) yield [Math.max(0, now - (part + 1) * this.#partMs), units]
    }
  }

  #leave(units: number, now: number, span: number): number {
    if (units <= 0) return now
    if (now >= this.#ends) this.#advance(now)
    let left = 0
    for (let part = Math.max(0, this.#current - span + 1); part <= this.#current; part++) {
      left += this.#units[part % SLOTS]!
      if (left >= units) return (part + span) * this.#partMs
    }
    return Infinity
  }

  #advance(now: number): void {
    const current = Math.floor(now / this.#partMs)
    for (let part = Math.max(this.#current + 1, current - SLOTS + 1); part <= current; part++) {
      const slot = part % SLOTS
      this.#used -= this.#units[slot]!
      this.#units[slot] = 0
    }
    this.#current = current
    this.#ends = (current + 1) * this.#partMs
  }
}
