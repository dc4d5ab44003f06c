import type { IncomingHttpHeaders } from 'node:http'

/** Longer waits than ten years are taken for that: the time to come back must stay a date. */
const maxWaitMs = 315_360_000_000

const imfDate = /^[A-Za-z]{3}, \d{2} [A-Za-z]{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/
const rfc850Date = /^[A-Za-z]{6,9}, \d{2}-[A-Za-z]{3}-\d{2} \d{2}:\d{2}:\d{2} GMT$/
const asctimeDate = /^[A-Za-z]{3} [A-Za-z]{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

/**
 * How long a `Retry-After` value asks to wait, in milliseconds from `now` (epoch milliseconds): delta seconds or a date
 * in one of the three forms of HTTP. `undefined` when it is neither. Never negative, never throws.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function parseRetryAfter(value: string, now: number): number | undefined {
  const text = value.trim()
  if (/^\d+(\.\d+)?$/.test(text)) return Math.min(maxWaitMs, Math.ceil(Number(text) * 1000))
  const at = parseHttpDate(text)
  return at === undefined ? undefined : Math.min(maxWaitMs, Math.max(0, at - now))
}

function parseHttpDate(text: string): number | undefined {
  let at: number
  if (imfDate.test(text) || rfc850Date.test(text)) at = Date.parse(text)
  else if (asctimeDate.test(text)) at = Date.parse(`${text} GMT`)
  else return undefined
  return Number.isNaN(at) ? undefined : at
}

/**
 * How long a rate-limit reset value asks to wait, in milliseconds from `now`. Providers differ in unit; the size tells:
 * 1e12 and more are epoch milliseconds, 1e9 and more epoch seconds, less is seconds from now.
 */
export function parseReset(value: string, now: number): number | undefined {
  const text = value.trim()
  if (!/^\d+(\.\d+)?$/.test(text)) return undefined
  const n = Number(text)
  const wait = n >= 1e12 ? n - now : n >= 1e9 ? n * 1000 - now : n * 1000
  return Math.min(maxWaitMs, Math.max(0, Math.ceil(wait)))
}

/**
 * What the headers of a response ask for: `Retry-After` on any status; on 429, where there is none, the reset headers
 * that providers send instead (`RateLimit-Reset`, `X-RateLimit-Reset`).
 */
export function retryAfterOf(
  statusCode: number,
  headers: IncomingHttpHeaders,
  now: number,
): number | undefined {
  // A date is one of the server's clock, and its `Date` header tells what that shows now.
  const serverNow = typeof headers.date === 'string' ? parseHttpDate(headers.date.trim()) : undefined
  const retryAfter = longest(headers['retry-after'], serverNow ?? now, parseRetryAfter)
  if (retryAfter !== undefined || statusCode !== 429) return retryAfter
  return longest(headers['ratelimit-reset'] ?? headers['x-ratelimit-reset'], now, parseReset)
}

function longest(
  value: string | string[] | undefined,
  now: number,
  parse: (value: string, now: number) => number | undefined,
): number | undefined {
  if (value === undefined) return undefined
  let wait: number | undefined
  for (const text of Array.isArray(value) ? value : [value]) {
    const ms = parse(text, now)
    if (ms !== undefined && (wait === undefined || ms > wait)) wait = ms
  }
  return wait
}
