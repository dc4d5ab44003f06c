import type { ErrorBody } from './error-body.ts'

/** A field of an error body that is an object of its own: `{ error: { code } }`. */
export function nested(body: ErrorBody | undefined, field: string): ErrorBody | undefined {
  const value = body?.[field]
  return typeof value === 'object' && value !== null ? (value as ErrorBody) : undefined
}
