/** An error body of a provider, as far as it is a JSON object. */
export type ErrorBody = Readonly<Record<string, unknown>>

/** The body as a JSON object; `undefined` when there is none, it was cut off, or it is something else. */
export function errorBody(text: string | undefined): ErrorBody | undefined {
  if (text === undefined || !/^\s*\{/.test(text)) return undefined
  try {
    return JSON.parse(text) as ErrorBody
  } catch {
    // cut off by `maxBytes`, or a page that only looks like JSON
    return undefined
  }
}

/** The first of the fields that is a string or a number, as text of at most 500 characters. */
export function textOf(body: ErrorBody | undefined, ...fields: string[]): string | undefined {
  for (const field of fields) {
    const value = body?.[field]
    if (typeof value === 'string' && value !== '') return value.slice(0, 500)
    if (typeof value === 'number') return String(value)
  }
  return undefined
}
