import { type Checks, integer, number, orInfinity, withDefault } from '../../checks.ts'
import type { DeadLetterReason, DeadLetterRecord } from '../record/record.ts'

/**
 * Bounds of a store. The oldest calls that failed and that nobody holds are evicted, each with a `dead-letter:dropped` event.
 * Calls of an outbox must arrive and are never evicted: where only they are left, what is new is refused.
 */
export interface RetentionOptions {
  /** Entries, at least 1. */
  maxRecords?: number | undefined
  /** Bytes of records and bodies together, at least 1024. */
  maxBytes?: number | undefined
  /**
   * Milliseconds since capture; `Infinity` keeps entries for ever. Looked at when something is added, and before entries are
   * handed out to be replayed.
   */
  maxAgeMs?: number | undefined
}

export interface Retention {
  readonly maxRecords: number
  readonly maxBytes: number
  readonly maxAgeMs: number
}

/**
 * Its entries are never evicted, wherever they stand and however old they are: they must arrive, or a person has decided on
 * them. For the SQL of stores; all others ask {@link mayBeEvicted}.
 */
export const NEVER_EVICTED: DeadLetterReason = 'outbox'

/** Whether retention may ever remove an entry. Never while somebody holds it. */
export function mayBeEvicted({ reason }: Pick<DeadLetterRecord, 'reason'>): boolean {
  return reason !== NEVER_EVICTED
}

/** The bounds of a store, with its own defaults. */
export function retentionChecks(defaults: Retention): Checks<RetentionOptions, Retention> {
  return {
    maxRecords: withDefault(integer({ min: 1 }), defaults.maxRecords),
    maxBytes: withDefault(integer({ min: 1024 }), defaults.maxBytes),
    maxAgeMs: withDefault(orInfinity(number({ min: 1 })), defaults.maxAgeMs),
  }
}
