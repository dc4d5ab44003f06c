/** What became of records that were added. */
export interface AddResult {
  /** Ids that are now kept, those that already were included. */
  readonly kept: string[]
  /** How many of `kept` were there before: the same id added twice. */
  readonly duplicates: number
  /** Ids that were already settled or discarded: their tombstone keeps them from coming back. */
  readonly settled: string[]
  /** Older entries that retention removed to make room. */
  readonly evicted: string[]
  /**
   * Ids that found no room: what is there is held by replayers or of an outbox, or the record alone exceeds `maxBytes`. Nothing
   * was evicted for them.
   */
  readonly refused: string[]
}

/** A result to which one record after the other is added. */
type AddResultDraft = { -readonly [Field in keyof AddResult]: AddResult[Field] }

export function emptyAddResult(): AddResultDraft {
  return { kept: [], duplicates: 0, settled: [], evicted: [], refused: [] }
}
