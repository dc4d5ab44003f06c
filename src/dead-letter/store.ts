import type {
  ClaimedDeadLetter,
  DeadLetter,
  DeadLetterReason,
  DeadLetterRecord,
  DeadLetterReplay,
  DeadLetterStatus,
} from './record.ts'

/** Which entries; every condition given must hold. Evaluated in the store. */
export interface DeadLetterFilter {
  name?: string | undefined
  /** Exactly: `https://api.hubapi.com`. */
  origin?: string | undefined
  status?: DeadLetterStatus | undefined
  reason?: DeadLetterReason | undefined
  /** `key=value`, or `key` for any value. */
  label?: string | undefined
  /** Error code or status of the last attempt: `ECONNRESET`, `503`. */
  code?: string | undefined
  /** Captured at or after, epoch milliseconds. */
  from?: number | undefined
  /** Captured before, epoch milliseconds. */
  to?: number | undefined
}

export interface DeadLetterQuery extends DeadLetterFilter {
  /** From the page before. */
  cursor?: string | undefined
  /** 1 to 1000; default 100. */
  limit?: number | undefined
}

/** An entry that cannot be read; it stays where it is, and the others go on. */
export interface CorruptDeadLetter {
  readonly id: string
  readonly message: string
}

export interface DeadLetterPage {
  /** Newest first, without bodies. */
  readonly items: DeadLetter[]
  /** Ask for the next page with it; absent on the last one. */
  readonly cursor?: string
  /** Entries of this page's range that cannot be read; absent when all can. */
  readonly corrupt?: CorruptDeadLetter[]
}

export interface AddOptions {
  /** Imported or edited entries wait for a person. Default: `pending`, `quarantined` for what is not replayable. */
  status?: 'quarantined' | undefined
  note?: string | undefined
}

export interface AddResult {
  /** Ids that are now kept, those that already were included. */
  readonly kept: string[]
  /** How many of `kept` were there before: the same id added twice. */
  readonly duplicates: number
  /** Ids that were already settled or discarded: their tombstone keeps them from coming back. */
  readonly settled: string[]
  /** Older entries that retention removed to make room. */
  readonly evicted: string[]
  /** Ids that found no room: all that could be evicted is leased, or the record alone exceeds `maxBytes`. */
  readonly refused: string[]
}

export interface ClaimOptions {
  /** At most so many, 1 to 1000. */
  limit: number
  /** How long the claim holds, in milliseconds. */
  leaseMs: number
  /** A lapsed entry that has used up so many replays is quarantined instead of handed on. Default: no limit. */
  maxReplays?: number | undefined
  /**
   * How long after the end of its lease an entry waits, in milliseconds, that may be sent again and whose replayer was
   * lost while sending it. Default 0.
   */
  lapseDelayMs?: number | undefined
  filter?: DeadLetterFilter | undefined
  /** Only these, whether due or not, and with status `in_doubt` or `quarantined` too: a person's decision. */
  ids?: readonly string[] | undefined
  /**
   * `replay` (default): pending entries that are due, replayable, and first of their ordering key.
   * `transfer`: every entry that nobody holds, for moving it to another store; never counts as a replay.
   */
  purpose?: 'replay' | 'transfer' | undefined
}

export interface ClaimResult {
  readonly items: ClaimedDeadLetter[]
  /** Entries that could not be read; they are quarantined. */
  readonly corrupt: CorruptDeadLetter[]
}

/** How a claimed entry came out. */
export type Settlement =
  /** The server took it: the entry is removed and its id remembered. */
  | { outcome: 'done'; replay: DeadLetterReplay }
  /** Sent and failed: again after `delayMs`, or quarantined when `maxReplays` are used up. */
  | { outcome: 'failed'; replay: DeadLetterReplay; delayMs: number; maxReplays: number }
  /** The server surely did not act (open circuit, no connection, 429, cancelled): again after `delayMs`; no replay is used up. */
  | { outcome: 'later'; delayMs: number; replay?: DeadLetterReplay | undefined }
  /** It may have been sent and must not be sent twice. */
  | { outcome: 'in_doubt'; replay: DeadLetterReplay; note: string }
  /** It cannot be sent: forged, unreadable, refused for good. */
  | { outcome: 'quarantined'; replay: DeadLetterReplay; note: string }

/** `stale`: another claim came after this one, and nothing was changed. `gone`: discarded meanwhile. */
export type SettleResult = 'done' | 'again' | 'quarantined' | 'in_doubt' | 'stale' | 'gone'

export interface DeadLetterStats {
  readonly total: number
  readonly byStatus: Readonly<Record<DeadLetterStatus, number>>
  /** Bytes of records and bodies, as retention counts them. */
  readonly bytes: number
  /** Timestamp of the oldest entry, epoch milliseconds. */
  readonly oldest?: number | undefined
  /** Pending entries that may be claimed now. */
  readonly due: number
  /** Since the store was made. */
  readonly counters: {
    readonly captured: number
    readonly replayed: number
    readonly evicted: number
    readonly discarded: number
  }
}

/** Bounds of a store. The oldest entries that nobody holds are evicted, each with a `dead-letter:dropped` event. */
export interface RetentionOptions {
  /** Entries, at least 1. */
  maxRecords?: number | undefined
  /** Bytes of records and bodies together, at least 1024. */
  maxBytes?: number | undefined
  /** Milliseconds since capture; `Infinity` keeps entries for ever. */
  maxAgeMs?: number | undefined
}

/**
 * Where dead letters are kept. Every implementation passes the same contract suite.
 *
 * Guarantees: `add` resolves only when the records are kept as durably as the store promises. A record is kept at most
 * once per id, and never again after its id was settled or discarded (as long as the tombstone lasts). An entry is
 * claimed by at most one caller at a time; each claim has a higher `fence`, and `renew` and `settle` with an older one
 * change nothing. Whatever rejects has changed nothing, or is safe to repeat.
 */
export interface DeadLetterStore {
  /** Reached over a network, so that captures need a `spool` while it is away. Default false. */
  readonly remote?: boolean
  /** Keeps the records. Repeating it is harmless. */
  add(records: readonly DeadLetterRecord[], options?: AddOptions): Promise<AddResult>
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
   * sent is claimed anew; what was is claimed anew after `lapseDelayMs` if it is repeatable, else it becomes `in_doubt`.
   */
  claim(options: ClaimOptions): Promise<ClaimResult>
  /**
   * Renews the lease and marks the entry `sending`. Call it just before sending, and send only if it resolves to true.
   * `false`: the claim is stale, or the entry was discarded.
   */
  renew(id: string, fence: number, leaseMs: number): Promise<boolean>
  /**
   * Ends a claim. Repeating `done` after a lost reply gives `gone`. A claim that lapsed while sending is still ended by
   * `done`, as long as there was none after it: who was only slow knows better.
   */
  settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult>
  /** Brings entries that are in doubt or quarantined, and replayable, back to `pending`. Resolves to how many. */
  requeue(ids: readonly string[], options?: { delayMs?: number }): Promise<number>
  /** Removes entries for good, except those being sent. Resolves to how many. */
  discard(ids: readonly string[]): Promise<number>
  /** Ends what the store opened. Calls after it reject. */
  close(): Promise<void>
}
