import { parseDate } from './dates.ts'

/** Longer waits than ten years are taken for that: the time to come back must stay a date. */
const MAX_WAIT_MS = 315_360_000_000

const unitMs: Readonly<Record<string, number>> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
}

const decimal = /^\d+(\.\d+)?$/
const durations = /(\d+(?:\.\d+)?)(ms|[dhms])/gy

/**
 * What one value asks for, in milliseconds from `serverNow`, what the clock of whoever wrote it shows:
 * - a number below 1e9: seconds (RFC 9110, 10.2.3; with a fraction: Discord);
 * - from 1e9 on: seconds, from 1e12 on milliseconds of an epoch (GitHub, X, SendGrid; Linear). As a wait the least of them
 *   would be 31 years;
 * - a duration as Go writes it: `12ms`, `6m0s` (OpenAI), `60s`;
 * - a date: of HTTP (RFC 9110, 5.6.7), of RFC 3339 (Anthropic, Atlassian).
 *
 * `undefined` for anything else. Never negative, at most ten years, never throws.
 */
export function parseWait(value: string, serverNow: number): number | undefined {
  const text = value.trim()
  if (decimal.test(text)) {
    const n = Number(text)
    return bounded(n >= 1e12 ? n - serverNow : n >= 1e9 ? n * 1000 - serverNow : n * 1000)
  }
  const at = parseDate(text)
  return at === undefined ? parseDuration(text) : bounded(at - serverNow)
}

/** A value of a header that is in milliseconds by its name. */
export function parseMilliseconds(value: string): number | undefined {
  const text = value.trim()
  return decimal.test(text) ? bounded(Number(text)) : undefined
}

function parseDuration(text: string): number | undefined {
  let ms = 0
  let end = 0
  for (const [part, count, unit] of text.matchAll(durations)) {
    ms += Number(count) * unitMs[unit!]!
    end += part.length
  }
  return end > 0 && end === text.length ? bounded(ms) : undefined
}

function bounded(ms: number): number {
  return Math.min(MAX_WAIT_MS, Math.max(0, Math.ceil(ms)))
}

/**
 * The longest of all waits in the values of a header: repeated, or joined by commas on their way (`120, 120`). What is
 * none of them is ignored.
 */
export function longestWait(
  value: string | string[] | undefined,
  parse: (value: string) => number | undefined,
): number | undefined {
  let longest: number | undefined
  for (const text of listOf(value)) {
    const ms = parse(text)
    if (ms !== undefined && (longest === undefined || ms > longest)) longest = ms
  }
  return longest
}

const weekday = /^[a-z]{3,9}$/i

/** The values of a header, apart where they were joined. The comma after the weekday of a date joins nothing. */
export function listOf(value: string | readonly string[] | undefined): string[] {
  if (value === undefined) return []
  const values: string[] = []
  for (const text of typeof value === 'string' ? [value] : value) {
    if (!text.includes(',')) {
      values.push(text)
      continue
    }
    let day = ''
    for (const part of text.split(',')) {
      if (day === '' && weekday.test(part.trim())) day = `${part},`
      else {
        values.push(day + part)
        day = ''
      }
    }
  }
  return values
}
