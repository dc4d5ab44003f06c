/** The window is a ring of this many buckets: what is forgotten at once is a tenth of it. */
export const WINDOW_BUCKETS = 10

/** What a window or a batch of results adds up to. */
export interface Counts {
  total: number
  failed: number
  slow: number
}

/**
 * Results of the last `WINDOW_BUCKETS * bucketMs` milliseconds. The Lua scripts keep the same ring in a hash: bucket
 * `n = floor(now / bucketMs)` lives in slot `n % WINDOW_BUCKETS` and counts while `n > current - WINDOW_BUCKETS`.
 */
export class CountWindow {
  readonly #bucketMs: number
  /** Per slot: bucket number, total, failed, slow. */
  readonly #slots = new Float64Array(WINDOW_BUCKETS * 4)
  #start = Infinity
  #end = -Infinity
  #at = 0

  constructor(bucketMs: number) {
    this.#bucketMs = bucketMs
    this.clear()
  }

  /** One success: the hot path. */
  hit(now: number): void {
    if (now < this.#start || now >= this.#end) this.#turn(now)
    this.#slots[this.#at + 1]! += 1
  }

  add(now: number, total: number, failed: number, slow: number): void {
    if (now < this.#start || now >= this.#end) this.#turn(now)
    const slots = this.#slots
    const at = this.#at
    slots[at + 1]! += total
    slots[at + 2]! += failed
    slots[at + 3]! += slow
  }

  sums(now: number): Counts {
    const current = Math.floor(now / this.#bucketMs)
    const sums = { total: 0, failed: 0, slow: 0 }
    for (let at = 0; at < this.#slots.length; at += 4) {
      const bucket = this.#slots[at]!
      if (bucket <= current - WINDOW_BUCKETS || bucket > current) continue
      sums.total += this.#slots[at + 1]!
      sums.failed += this.#slots[at + 2]!
      sums.slow += this.#slots[at + 3]!
    }
    return sums
  }

  clear(): void {
    this.#slots.fill(0)
    for (let at = 0; at < this.#slots.length; at += 4) this.#slots[at] = -1
    this.#start = Infinity
    this.#end = -Infinity
  }

  #turn(now: number): void {
    const bucket = Math.floor(now / this.#bucketMs)
    this.#start = bucket * this.#bucketMs
    this.#end = this.#start + this.#bucketMs
    this.#at = (((bucket % WINDOW_BUCKETS) + WINDOW_BUCKETS) % WINDOW_BUCKETS) * 4
    if (this.#slots[this.#at] === bucket) return
    this.#slots[this.#at] = bucket
    this.#slots.fill(0, this.#at + 1, this.#at + 4)
  }
}
