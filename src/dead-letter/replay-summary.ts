/** What a replay did, so far or in all. */
export interface ReplaySummary {
  /** Entries handed out to this run; in a dry run those that would be. */
  claimed: number
  /** Requests sent. */
  sent: number
  /** Taken by the server; the entries are gone. */
  done: number
  /** Failed; they come back after a backoff. */
  failed: number
  /** Nothing was sent: open circuit, no connection, 429. They come back, and no replay was used up. */
  later: number
  /** Not sent for want of something: a header, a key, a query value. The entry waits. */
  refused: number
  /** Replays used up, refused by the server for good, or forged. */
  quarantined: number
  /** May have been sent and must not be sent twice without a decision. */
  inDoubt: number
  /** Discarded, or taken over by another replayer, before they were sent. */
  skipped: number
  /** Could not be read. */
  corrupt: number
  /** The signal ended the run early. */
  cancelled: boolean
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
    skipped: 0,
    corrupt: 0,
    cancelled: false,
    durationMs: 0,
  }
}
