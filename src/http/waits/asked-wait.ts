import type { IncomingHttpHeaders } from 'node:http'
import type { Verdict } from '../outcome.ts'
import { serverTime } from './dates.ts'
import { resetWait } from './rate-limit-headers.ts'
import { longestWait, parseMilliseconds, parseWait } from './wait-value.ts'

/** In milliseconds, and finer than the `Retry-After` beside them: Azure OpenAI and OpenAI; Azure's other services. */
const inMilliseconds = ['retry-after-ms', 'x-ms-retry-after-ms']

/**
 * How long the headers of a response ask to wait, in milliseconds from `now` (epoch milliseconds): what `Retry-After` and
 * its like say, on any status; on 429, where there is none, when the limit is renewed. `undefined` where they ask for
 * none. Never negative, at most ten years, never throws.
 */
export function askedWaitOf(
  statusCode: number,
  headers: IncomingHttpHeaders,
  now: number,
): number | undefined {
  return (
    retryAfterOf(headers, now) ??
    (statusCode === 429 ? resetWait(headers, serverTime(headers, now)) : undefined)
  )
}

/**
 * The same, of a response that was classified: a preset that read the provider's limits knows better than the general
 * rule, but `Retry-After` is never undercut.
 */
export function askedWaitByVerdict(
  statusCode: number,
  headers: IncomingHttpHeaders,
  verdict: Verdict | undefined,
  now: number,
): number | undefined {
  if (verdict?.retryAfterMs === undefined) return askedWaitOf(statusCode, headers, now)
  return Math.max(verdict.retryAfterMs, retryAfterOf(headers, now) ?? 0)
}

/**
 * What `Retry-After` and its like ask for: of several the longest, since a provider's wait is never undercut.
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function retryAfterOf(headers: IncomingHttpHeaders, now: number): number | undefined {
  let wait = waitOfHeader(headers, 'retry-after', now)
  for (const name of inMilliseconds) {
    const value = headers[name]
    if (value === undefined) continue
    const ms = longestWait(value, parseMilliseconds)
    if (ms !== undefined && (wait === undefined || ms > wait)) wait = ms
  }
  return wait
}

/** What one header asks for: the longest of its values. */
export function waitOfHeader(headers: IncomingHttpHeaders, name: string, now: number): number | undefined {
  const value = headers[name]
  if (value === undefined) return undefined
  const serverNow = serverTime(headers, now)
  return longestWait(value, (text) => parseWait(text, serverNow))
}
