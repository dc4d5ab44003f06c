import { reachesThreshold, type CircuitPolicy } from '../machine/policy.ts'
import type { Counts } from '../machine/window.ts'

/** What a circuit remembers of the store that it shares with other processes. */
export class SharedState {
  /** The circuit's name there. */
  readonly id: string
  /** The store is out of reach for this circuit: the local machine decides. */
  degraded: boolean
  /** Waits for the next flush. */
  queued = false
  /** A flush ahead of time was sent in this interval. */
  hurried = false
  /** Results not sent yet. */
  pending: Counts = { total: 0, failed: 0, slow: 0 }
  /** Whether the store has ever answered for it. */
  reached = false
  /** The epoch that the store last told; another one in the machine was made here while it was out of reach. */
  sharedEpoch = 0
  /** An operator override was made here while the store was out of reach. */
  overruled = false
  /** When the store last answered for it. */
  syncedAt = -Infinity
  /** A probe is being asked for. */
  acquiring = false
  /** When a probe may be asked for again. */
  askAt = 0
  /** The sums of all processes, with what is on its way. */
  readonly #known: Counts = { total: 0, failed: 0, slow: 0 }

  constructor(id: string, degraded: boolean) {
    this.id = id
    this.degraded = degraded
  }

  count(total: number, failed: number, slow: number): void {
    this.pending.total += total
    this.pending.failed += failed
    this.pending.slow += slow
  }

  get hasPending(): boolean {
    return this.pending.total + this.pending.failed + this.pending.slow > 0
  }

  /** Takes what is pending, to be sent. */
  take(): Counts {
    const taken = this.pending
    this.pending = { total: 0, failed: 0, slow: 0 }
    this.#known.total += taken.total
    this.#known.failed += taken.failed
    this.#known.slow += taken.slow
    return taken
  }

  /** The store's own sums. */
  learn({ total, failed, slow }: Counts): void {
    this.#known.total = total
    this.#known.failed = failed
    this.#known.slow = slow
  }

  /** Whether the store would open the circuit if it knew what is pending. */
  mayTrip(policy: CircuitPolicy): boolean {
    const { pending } = this
    const known = this.#known
    return reachesThreshold(
      policy,
      known.total + pending.total,
      known.failed + pending.failed,
      known.slow + pending.slow,
    )
  }

  sums(here: Counts, now: number, policy: CircuitPolicy): Counts {
    if (now - this.syncedAt >= policy.windowMs) return here
    const { pending } = this
    const known = this.#known
    return {
      total: known.total + pending.total,
      failed: known.failed + pending.failed,
      slow: known.slow + pending.slow,
    }
  }

  /** Forgets what was counted under another epoch. */
  newRound(): void {
    this.pending = { total: 0, failed: 0, slow: 0 }
    this.learn(this.pending)
    this.askAt = 0
  }
}
