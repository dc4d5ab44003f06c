import { deadLetterStatuses, type DeadLetterStatus } from '../record/record.ts'

/** How many entries there are, and how they stand. */
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

/** No entries of any status, to be counted up. */
export function noneByStatus(): Record<DeadLetterStatus, number> {
  return Object.fromEntries(deadLetterStatuses.map((status) => [status, 0])) as Record<
    DeadLetterStatus,
    number
  >
}
