import { type CircuitPolicy, nearsThreshold, reachesThreshold } from '../machine/policy.ts'
import type { Counts } from '../machine/window.ts'

/** The part of its calm after which a calm circuit hands its successes on, and the most of it, as a part of the window. */
const REST_OF_CALM = 0.25
const REST_OF_WINDOW = 0.3
/** The most successes that may rest, as a part of what this process had counted in its window: a burst does not rest. */
const REST_OF_COUNTED = 0.6

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
  /** When the store last said which view holds. */
  syncedAt = -Infinity
  /** Exchanges about its view that are under way. */
  asking = 0
  /** When the store last told its sums. */
  learnedAt = -Infinity
  /** All successes are handed on within an interval; else they may rest, and the poll takes them along. */
  eager = true
  /** More successes than these do not rest. */
  mostResting = 0
  /** Since when the store has been out of reach, where it has lost nothing meanwhile. */
  #aloneSince = 0
  /** Since when all processes together have been far from opening it; `undefined` while they are not. */
  #calmSince: number | undefined
  /** A rest that is shorter is none. */
  readonly #leastRestMs: number
  /** A probe is being asked for. */
  acquiring = false
  /** When a probe may be asked for again. */
  askAt = 0
  /** Flushes that were sent, and the last of them that was answered. */
  #sent = 0
  #answered = 0
  /** The sums of all processes, with what is on its way. */
  readonly #known: Counts = { total: 0, failed: 0, slow: 0 }

  /** @param leastRestMs how often is looked whether a rest is over */
  constructor(id: string, degraded: boolean, leastRestMs: number) {
    this.id = id
    this.degraded = degraded
    this.#leastRestMs = leastRestMs
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

  /** The number of a flush that is sent now. */
  nextOrder(): number {
    return ++this.#sent
  }

  /** Whether no later flush than this one was answered before it. */
  isLatest(order: number): boolean {
    if (order < this.#answered) return false
    this.#answered = order
    return true
  }

  /**
   * The store's own sums.
   * @param counted in this process's own window
   * @param times as for `hasRested`
   */
  learn(sums: Counts, counted: number, policy: CircuitPolicy, now: number, times: number): void {
    this.#know(sums)
    this.learnedAt = now
    this.#calmSince = nearsThreshold(policy, this.#all) ? undefined : (this.#calmSince ?? now)
    this.eager = this.#restMs(policy, now, times) < this.#leastRestMs
    this.mostResting = this.eager ? 0 : REST_OF_COUNTED * counted
  }

  /**
   * Whether successes rest, and have done so for long enough. A circuit that has been calm for long is told less often,
   * but always of most of what was counted: four fifths while its calm is young, seven tenths of a window later.
   * @param times so many times longer than that, but no more than a part of the window, while the store is strained
   */
  hasRested(policy: CircuitPolicy, now: number, times: number): boolean {
    return !this.eager && now - this.learnedAt >= this.#restMs(policy, now, times)
  }

  #restMs({ windowMs }: CircuitPolicy, now: number, times: number): number {
    if (this.#calmSince === undefined) return 0
    return Math.min((now - this.#calmSince) * REST_OF_CALM * times, windowMs * REST_OF_WINDOW)
  }

  #know({ total, failed, slow }: Counts): void {
    this.#known.total = total
    this.#known.failed = failed
    this.#known.slow = slow
  }

  /** Of all processes, with what is pending here. */
  get #all(): Counts {
    const { pending } = this
    const known = this.#known
    return {
      total: known.total + pending.total,
      failed: known.failed + pending.failed,
      slow: known.slow + pending.slow,
    }
  }

  /** Whether the store would open the circuit if it knew what is pending. */
  mayTrip(policy: CircuitPolicy): boolean {
    const { total, failed, slow } = this.#all
    return reachesThreshold(policy, total, failed, slow)
  }

  sums(here: Counts, now: number, policy: CircuitPolicy): Counts {
    return now - this.learnedAt >= policy.windowMs ? here : this.#all
  }

  /**
   * The local machine decides from now on.
   * @param keeps whether the store surely keeps what it was told: it is only slow
   */
  leave(keeps: boolean, now: number): void {
    if (!keeps) this.endCalm()
    if (this.degraded) return
    this.degraded = true
    this.#aloneSince = now
    this.pending = { total: 0, failed: 0, slow: 0 }
  }

  /** The store decides again. It knows nothing of the time in between: rests are shorter by as much, or calm begins anew. */
  comeBack({ windowMs }: CircuitPolicy, now: number): void {
    this.degraded = false
    this.pending = { total: 0, failed: 0, slow: 0 }
    if (this.#calmSince === undefined) return
    const rested = now - (windowMs * REST_OF_WINDOW) / REST_OF_CALM
    this.#calmSince = Math.max(this.#calmSince, rested) + (now - this.#aloneSince) / REST_OF_CALM
    if (this.#calmSince >= now) this.endCalm()
  }

  /** What the store knew is gone, or is not what was counted here: calm begins anew. */
  endCalm(): void {
    this.#calmSince = undefined
    this.eager = true
    this.mostResting = 0
  }

  /** Forgets what was counted under another epoch. */
  newRound(): void {
    this.pending = { total: 0, failed: 0, slow: 0 }
    this.#know(this.pending)
    this.endCalm()
    this.askAt = 0
  }
}
