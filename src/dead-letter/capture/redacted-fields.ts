import { REDACTED } from '../../http/secrets/redacted-url.ts'

const MAX_FIELDS = 5
const MAX_NAME_CHARS = 80

/** Which fields of a redacted body hold `[redacted]`: `"properties.token"`. The first five; none where that cannot be told. */
export function redactedFields(body: Uint8Array | undefined): string[] {
  if (body === undefined) return []
  const text = Buffer.from(body).toString('utf8')
  const fields: string[] = []
  for (const [name, value] of fieldsOf(text)) {
    if (fields.length === MAX_FIELDS) break
    // quoted: the name is the caller's, and may hold line breaks
    if (value.includes(REDACTED)) fields.push(JSON.stringify(name.slice(0, MAX_NAME_CHARS)))
  }
  return [...new Set(fields)]
}

function* fieldsOf(text: string): Iterable<readonly [string, string]> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // a form, or what cannot be told
    if (/^[^\s=&{}<>"']+=/.test(text)) yield* new URLSearchParams(text)
    return
  }
  const left: [string, unknown][] = [['', json]]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [path, value] = next
    if (typeof value === 'string') yield [path, value]
    else if (typeof value === 'object' && value !== null) {
      const inside = Object.entries(value).map(([name, one]): [string, unknown] => [
        path === '' ? name : `${path}.${name}`,
        one,
      ])
      left.push(...inside.reverse())
    }
  }
}
