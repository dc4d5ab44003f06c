/** What was sent is counted by parts, and remembered for a minute: calls may wait for a connection before they are answered. */
const PART_MS = 500
const PARTS = 120
/** The parts over which a rate is taken; of these times the busiest counts. */
const SPANS = [4, 20, PARTS]

/** What is remembered of an origin, or of a key that a hook made: what was sent there of late, and whether to look on. */
export class Place {
  readonly scope: string
  /** Keys of it that hold calls back: only then a call has its credentials hashed. */
  held = 0
  /** Sent in the part of now. */
  #sentNow = 0
  /** Sent in the parts before, the latest first. */
  #sentBefore: readonly number[] = []
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

  /**
   * Calls per second of late: over two seconds, ten, or a minute, whichever is more. What was given to the connections at
   * once is refused seconds later, when the last two seconds say nothing of it.
   */
  perSecond(now: number): number {
    if (now >= this.#until) this.#turn(now)
    const sent = [this.#sentNow, ...this.#sentBefore]
    const rates = SPANS.map(
      (parts) => sent.slice(0, parts).reduce((sum, part) => sum + part, 0) / ((PART_MS * parts) / 1000),
    )
    return Math.max(...rates)
  }

  #turn(now: number): void {
    const begins = Math.floor(now / PART_MS) * PART_MS
    const passed = Math.min(PARTS, Math.round((begins - this.#until) / PART_MS))
    const idle = Array.from({ length: passed }, () => 0)
    this.#sentBefore = [...idle, this.#sentNow, ...this.#sentBefore].slice(0, PARTS - 1)
    this.#sentNow = 0
    this.#until = begins + PART_MS
  }
}
