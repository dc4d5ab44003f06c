import type { Delivery } from '../http/delivery.ts'

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

export const givenUpReasons = [
  'exhausted',
  'circuit-open',
  'rate-limited',
  'deadline',
  'budget',
  'not-repeatable',
  'final',
  'shutdown',
] as const

/**
 * Why no further attempt was made of a call that failed.
 * `exhausted`: the attempts were used up. `circuit-open`: the circuit refused it. `rate-limited`: the provider wants a
 * longer wait than the call may take, or a rate limit or bulkhead of ours had no room for it. `deadline`: the total
 * timeout, or a wait that did not fit into it. `budget`: so much failed at its origin that one more attempt would only
 * have added to the load. `not-repeatable`: it could not be sent again safely: not idempotent, or its body is not there
 * any more. `final`: the failure is none that another attempt would change. `shutdown`: the stack was closed while the
 * call waited.
 */
export type GivenUpReason = (typeof givenUpReasons)[number]

/** Why a call ended without success, as the layer that ended it knows it. */
export interface GivenUp {
  reason: GivenUpReason
  /** The earliest time at which the provider wants to hear from us again, epoch milliseconds. */
  notBefore?: number | undefined
  /** The reason in words, where it does not say it itself. */
  why?: string | undefined
}
