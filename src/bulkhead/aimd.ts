/** Where the bound of attempts in flight may go. */
export interface AimdPolicy {
  readonly start: number
  readonly min: number
  readonly max: number
}

/** @param adaptive what the options say; the bound begins with `limit` */
export function aimdPolicy(
  limit: number,
  { min, max = Math.max(min, limit) }: { readonly min: number; readonly max: number | undefined },
): AimdPolicy {
  return { start: Math.max(min, Math.min(max, limit)), min, max }
}

/** What one sign of overload leaves of the bound. */
const DECREASE = 0.9

/**
 * A bound that the provider's answers move: less by a tenth when it refuses or does not answer in time, more by one after
 * as many answers as the bound is, while it holds calls back (additive increase, multiplicative decrease; RFC 5681 has it
 * for TCP). Slow answers alone are no sign: a provider may be slow without being overloaded.
 *
 * Pure: time is passed in, in milliseconds on a steady clock.
 */
export class Aimd {
  readonly #policy: AimdPolicy
  #limit: number
  #decreasedAt = -Infinity

  constructor(policy: AimdPolicy) {
    this.#policy = policy
    this.#limit = policy.start
  }

  get limit(): number {
    return Math.floor(this.#limit)
  }

  /** @param full whether the bound was reached: where it is not, answers say nothing of it */
  answered(full: boolean): void {
    if (full) this.#limit = Math.min(this.#policy.max, this.#limit + 1 / this.#limit)
  }

  /** @param startedAt of the attempt: those that were in flight at the last decrease say what is known already */
  overloaded(startedAt: number, now: number): void {
    if (startedAt < this.#decreasedAt) return
    this.#limit = Math.max(this.#policy.min, this.#limit * DECREASE)
    this.#decreasedAt = now
  }
}
