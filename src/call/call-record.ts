import type { Delivery } from './outcome.ts'

/** One attempt of a call, for its record. */
export interface AttemptRecord {
  /** When it was dispatched, epoch milliseconds. */
  at: number
  /** How long it took until its outcome was known, in milliseconds. */
  ms: number
  statusCode?: number
  /** Code of the error, where there was no response. */
  code?: string
  /** How sure it is that the server acted. */
  delivery?: Delivery
}

/** Why a call ended without success, as the layer that ended it knows it. */
export interface GivenUp {
  reason:
    | 'exhausted'
    | 'circuit-open'
    | 'not-idempotent'
    | 'body-not-replayable'
    | 'retry-after-too-long'
    | 'deadline'
  /** The earliest time at which the provider wants to hear from us again, epoch milliseconds. */
  notBefore?: number | undefined
}
