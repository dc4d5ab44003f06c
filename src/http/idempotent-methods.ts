/**
 * Methods that may be sent twice by their definition: RFC 9110, 9.2.2, and QUERY, which is safe and has a body. In
 * capitals, as methods are compared.
 */
export const idempotentMethods: readonly string[] = [
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'TRACE',
  'QUERY',
]

const known = new Set(idempotentMethods)

export function isIdempotentMethod(method: string): boolean {
  return known.has(method)
}
