import { headerValue, type RequestHeaders } from './headers.ts'
import { isNothing } from './nothing.ts'

/**
 * Whether a value of an `Idempotency-Key` header, or of a record, is a key: one that is empty, or the word for a missing
 * value, is the same for every request, and would let a provider take a second order for the first.
 */
export function isIdempotencyKey(value: string | undefined): value is string {
  return value !== undefined && !isNothing(value)
}

/** The key that a request carries. The one header that is known: what else a provider takes for one is the caller's. */
export function idempotencyKeyIn(headers: RequestHeaders): string | undefined {
  const value = headerValue(headers, 'idempotency-key')
  return isIdempotencyKey(value) ? value : undefined
}
