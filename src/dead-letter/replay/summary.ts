import type { LeftAlone } from './origins.ts'
import { nothingSetAside, type SetAside } from './set-aside.ts'

/** What a replay did, so far or in all. */
export interface ReplaySummary {
  /** Entries handed out to this run; in a dry run those that would be. */
  claimed: number
  /** Requests that left: not those for which there was no connection, nor those that a circuit refused. */
  sent: number
  /** Taken by the server; the entries are gone. */
  done: number
  /** Failed; they come back after a backoff. */
  failed: number
  /** Not taken, and no replay was used up: an outage, an open circuit, 401, 403, 429. They come back. */
  later: number
  /** Not sent for want of something: a header, a key, a query value. The entry waits. */
  refused: number
  /** Replays used up, refused by the server for good, or forged. */
  quarantined: number
  /** May have been sent and must not be sent twice without a decision. */
  inDoubt: number
  /** Dropped for good, as `decide` said. */
  discarded: number
  /** Gone, taken over by another replayer, or given back at the end of the run, before they were sent. */
  skipped: number
  /** Could not be read. */
  corrupt: number
  /** Origins that are left alone for now, and why: down, asked for time, refused the credentials. */
  leftAlone: readonly LeftAlone[]
  /**
   * Due entries that match, by their origin, that is none of `allowedOrigins`. They are counted at the end of a run without
   * `ids` and without `filter.origin`, of the newest 10,000; by `startReplayer` once.
   */
  otherOrigins: Readonly<Record<string, number>>
  /**
   * Entries of the allowed origins that match and that the run does not touch, since they wait for a person. They are counted
   * at the start of a run without `ids` and without `filter.status`, at most 1,000 of each kind and origin; by `startReplayer`
   * once.
   */
  setAside: SetAside
  /** The signal ended the run early. */
  cancelled: boolean
  /** From its start to its end, in milliseconds; 0 while it goes on. */
  durationMs: number
}

export function emptySummary(): ReplaySummary {
  return {
    claimed: 0,
    sent: 0,
    done: 0,
    failed: 0,
    later: 0,
    refused: 0,
    quarantined: 0,
    inDoubt: 0,
    discarded: 0,
    skipped: 0,
    corrupt: 0,
    leftAlone: [],
    otherOrigins: {},
    setAside: nothingSetAside,
    cancelled: false,
    durationMs: 0,
  }
}
