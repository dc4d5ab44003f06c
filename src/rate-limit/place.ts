const PART_MS = 500
const PARTS = 4

/** What is remembered of an origin, or of a key that a hook made: what was sent there of late, and whether to look on. */
export class Place {
  readonly scope: string
  /** Keys of it that hold calls back: only then a call has its credentials hashed. */
  held = 0
  /** Sent in the part of now. */
  #sentNow = 0
  /** Sent in the parts before, the latest first. */
  #sentBefore = [0, 0, 0]
  /** When the part of now ends. */
  #until = 0

  constructor(scope: string) {
    this.scope = scope
  }

  /** A call goes there. Each healthy call comes through here. */
  count(now: number): void {
    if (now >= this.#until) this.#turn(now)
    this.#sentNow += 1
  }

  /** Calls per second over the last two. */
  perSecond(now: number): number {
    if (now >= this.#until) this.#turn(now)
    const sent = this.#sentBefore.reduce((sum, part) => sum + part, this.#sentNow)
    return sent / ((PART_MS * PARTS) / 1000)
  }

  #turn(now: number): void {
    const begins = Math.floor(now / PART_MS) * PART_MS
    const passed = (begins - this.#until) / PART_MS + 1
    const sent = [this.#sentNow, ...this.#sentBefore]
    this.#sentBefore = Array.from({ length: PARTS - 1 }, (_part, at) => sent[at - passed + 1] ?? 0)
    this.#sentNow = 0
    this.#until = begins + PART_MS
  }
}
