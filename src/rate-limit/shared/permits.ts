/** Permits are no longer used so long before they lapse, in milliseconds. */
const GUARD_MS = 5

/** The permits that a process holds ahead of use, until their lease lapses. */
export class Permits {
  units = 0
  /** Of these: for background calls alone. */
  background = 0
  /** With fewer than this more are asked for, before calls have to wait. */
  lowWater = 1
  #until = -Infinity

  get live(): number {
    return this.units - this.background
  }

  fits(units: number, now: number, background: boolean): boolean {
    if (now >= this.#until) return units === 0
    return units <= (background ? this.background : this.live)
  }

  /** Those that are still valid. */
  valid(now: number): number {
    return now < this.#until ? this.units : 0
  }

  take(units: number, background: boolean): void {
    this.units -= units
    if (background) this.background -= units
  }

  /** Units that were taken and not used. */
  giveBack(units: number, now: number): void {
    if (now < this.#until) this.units += units
  }

  hold(units: number, background: number): void {
    this.units = Math.max(0, units)
    this.background = Math.max(0, Math.min(this.units, background))
  }

  /** What has lapsed is held no more. */
  lapse(now: number): void {
    if (now >= this.#until) this.hold(0, 0)
  }

  /** @param askedAt from before the server was asked: it counts later */
  leased(askedAt: number, leaseMs: number): void {
    this.#until = askedAt + leaseMs - GUARD_MS
  }
}
