/** How much an origin's retries may add to its load. */
export interface RetryBudgetPolicy {
  /** Retries that each success pays for. */
  readonly ratio: number
  /** Retries that each second pays for. */
  readonly perSecond: number
  /** Retries that may be out unpaid, however few calls there are. */
  readonly burst: number
}

/** Calls of so long a time may all be tried again before the first has paid, in milliseconds. */
const ROOM_MS = 1_000

/**
 * The retries of one origin that nothing has been paid for yet. A success pays `ratio` of one, and a whole one if it was
 * a retry itself: one that helped has cost nothing. Time pays `perSecond`. What is unpaid is at most `burst`, or as many
 * as there were calls in the last second: in an outage nothing is paid, so retries end after about as many as the calls
 * of a second; where a third of all attempts fail, successes still pay for all that it takes.
 *
 * Paid by success and not by calls, since a share of the calls would refuse the most where retries help the most: with
 * 30 % of attempts failing, the usual 20 % of calls loses 14 % of the calls that retries save.
 *
 * Pure: time is passed in, in milliseconds on a steady clock.
 */
export class RetryBudget {
  readonly #policy: RetryBudgetPolicy
  #unpaid = 0
  #paidAt: number
  // the calls of the last second, as a sliding window of two parts
  #calls = 0
  #callsBefore = 0
  #windowEndsAt: number
  /** Retries that were let through, but for those that were never sent. */
  retries = 0
  /** Calls that ended for want of one. */
  refused = 0

  constructor(policy: RetryBudgetPolicy, now: number) {
    this.#policy = policy
    this.#paidAt = now
    this.#windowEndsAt = now + ROOM_MS
  }

  /** A call had its first outcome. */
  called(now: number): void {
    if (now >= this.#windowEndsAt) this.#slide(now)
    this.#calls += 1
  }

  /** @param paidRetry whether it was an attempt that this budget has let through */
  succeeded(paidRetry: boolean): void {
    if (this.#unpaid > 0) this.#pay(this.#policy.ratio + (paidRetry ? 1 : 0))
  }

  /** How many retries it would let through now. */
  left(now: number): number {
    return Math.max(0, Math.floor(this.room(now) - this.#unpaidAt(now)))
  }

  /** How many may be unpaid at once, now. */
  room(now: number): number {
    if (now >= this.#windowEndsAt) this.#slide(now)
    const recent = this.#calls + (this.#callsBefore * (this.#windowEndsAt - now)) / ROOM_MS
    return Math.max(this.#policy.burst, recent)
  }

  /** Lets one retry through, or says that it cannot. */
  tryTake(now: number): boolean {
    const unpaid = this.#unpaidAt(now)
    if (unpaid + 1 > this.room(now)) return false
    this.#unpaid = unpaid + 1
    this.#paidAt = now
    this.retries += 1
    return true
  }

  /** A call ended for want of a retry. */
  refuse(): void {
    this.refused += 1
  }

  /** A retry that was let through was not sent after all. */
  giveBack(): void {
    this.#pay(1)
    this.retries -= 1
  }

  owes(now: number): boolean {
    return this.#unpaidAt(now) > 0
  }

  #pay(retries: number): void {
    this.#unpaid = Math.max(0, this.#unpaid - retries)
  }

  #unpaidAt(now: number): number {
    const seconds = Math.max(0, now - this.#paidAt) / 1_000
    return Math.max(0, this.#unpaid - seconds * this.#policy.perSecond)
  }

  #slide(now: number): void {
    const over = now - this.#windowEndsAt
    this.#callsBefore = over < ROOM_MS ? this.#calls : 0
    this.#calls = 0
    this.#windowEndsAt = now + ROOM_MS - (over % ROOM_MS)
  }
}
