import type { ClaimedDeadLetter, DeadLetter } from '../record/record.ts'
import type { ClaimOptions } from './claim-options.ts'
import type { DeadLetterQuery } from './query/query.ts'
import type { Settlement, SettleResult } from './settlement.ts'
import type { DeadLetterSink } from './sink.ts'
import type { DeadLetterStats } from './stats.ts'

/** An entry that cannot be read; it stays where it is, and the others go on. */
export interface CorruptDeadLetter {
  readonly id: string
  /** What is wrong with it. */
  readonly message: string
}

/** A page of a list. */
export interface DeadLetterPage {
  /** Newest first, without bodies. */
  readonly items: DeadLetter[]
  /** Ask for the next page with it; absent on the last one. */
  readonly cursor?: string
  /** Entries of this page's range that cannot be read; absent when all can. */
  readonly corrupt?: CorruptDeadLetter[]
}

/** What a claim handed out. */
export interface ClaimResult {
  readonly items: ClaimedDeadLetter[]
  /** Entries that could not be read; they are quarantined. */
  readonly corrupt: CorruptDeadLetter[]
}

/**
 * Where dead letters are kept. Every implementation passes the same contract suite.
 *
 * Guarantees: `add` resolves only when the records are kept as durably as the store promises. A record is kept at most
 * once per id, and never again after its id was settled or discarded (as long as the tombstone lasts). An entry is
 * claimed by at most one caller at a time; each claim has a higher `fence`, and `renew` and `settle` with an older one
 * change nothing. Retention removes neither what is claimed nor, ever, a call of an outbox (`reason`): where nothing else is left,
 * `add` refuses what is new. Whatever rejects has changed nothing, or is safe to repeat.
 */
export interface DeadLetterStore extends DeadLetterSink {
  /**
   * The entry with its body, or `undefined`.
   * @throws {DeadLetterFormatError} when what is stored under the id cannot be read.
   */
  get(id: string): Promise<DeadLetter | undefined>
  /** A page, newest first; entries added meanwhile neither repeat nor skip any of the following pages. */
  list(query?: DeadLetterQuery): Promise<DeadLetterPage>
  stats(): Promise<DeadLetterStats>
  /**
   * Hands out entries, with bodies, oldest due time first. Leases that lapsed are settled first: what was not being
   * sent is claimed anew; what was is claimed anew after `lapseDelayMs` if it is repeatable, else it becomes `in-doubt`.
   */
  claim(options: ClaimOptions): Promise<ClaimResult>
  /**
   * Renews the lease and marks the entry `sending`. Call it just before sending, and send only if it resolves to true.
   * `false`: the claim is stale, or the entry was discarded.
   */
  renew(id: string, fence: number, leaseMs: number): Promise<boolean>
  /**
   * Ends a claim. Repeating `done` after a lost reply gives `gone`. A claim that lapsed while sending is still ended by
   * `done`, as long as there was none after it: a slow holder's `done` is still accepted.
   */
  settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult>
  /** Brings entries that are in doubt or quarantined, and replayable, back to `pending`. Resolves to how many. */
  requeue(ids: readonly string[], options?: { delayMs?: number }): Promise<number>
  /** Removes entries for good, except those being sent. Resolves to how many. */
  discard(ids: readonly string[]): Promise<number>
}
