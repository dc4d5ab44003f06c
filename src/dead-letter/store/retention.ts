import { type Checks, integer, number, orInfinity, withDefault } from '../../checks.ts'

/** Bounds of a store. The oldest entries that nobody holds are evicted, each with a `dead-letter:dropped` event. */
export interface RetentionOptions {
  /** Entries, at least 1. */
  maxRecords?: number | undefined
  /** Bytes of records and bodies together, at least 1024. */
  maxBytes?: number | undefined
  /** Milliseconds since capture; `Infinity` keeps entries for ever. */
  maxAgeMs?: number | undefined
}

export interface Retention {
  readonly maxRecords: number
  readonly maxBytes: number
  readonly maxAgeMs: number
}

/** The bounds of a store, with its own defaults. */
export function retentionChecks(defaults: Retention): Checks<RetentionOptions, Retention> {
  return {
    maxRecords: withDefault(integer({ min: 1 }), defaults.maxRecords),
    maxBytes: withDefault(integer({ min: 1024 }), defaults.maxBytes),
    maxAgeMs: withDefault(orInfinity(number({ min: 1 })), defaults.maxAgeMs),
  }
}
