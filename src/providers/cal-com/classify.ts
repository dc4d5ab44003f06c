import type { IncomingHttpHeaders } from 'node:http'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { headerValue } from '../../http/headers.ts'
import type { Verdict } from '../../http/outcome.ts'
import { waitOfHeader } from '../../http/waits/asked-wait.ts'
import { errorBody, textOf } from '../kit/policy/error-body.ts'
import { providerFacts } from '../kit/policy/facts.ts'
import { nested } from '../kit/policy/nested.ts'

/** How long Cal.com blocks who is over its limit, for a 429 that does not say. */
const BLOCK_MS = 60_000

/**
 * What a Cal.com response means. Pure: the time is passed in. The rules and where they come from:
 * docs/architecture/providers/cal-com.md.
 */
export function classifyCalCom(
  { statusCode, headers, body }: ClassifiedResponse,
  now: number,
): Verdict | undefined {
  if (statusCode < 400) return undefined
  const answer = errorBody(body)
  // v2 wraps errors: { status: 'error', error: { code, message } }
  const error = nested(answer, 'error') ?? answer
  const facts = providerFacts(
    textOf(error, 'code'),
    textOf(error, 'message'),
    headerValue(headers, 'x-request-id'),
  )
  if (statusCode !== 429) return facts
  return { ...facts, kind: 'rate-limited', retryAfterMs: shortestReset(headers, now) ?? BLOCK_MS }
}

/**
 * With several limits a 429 comes only when all of them are used up, so the first to reset lets the request through:
 * the minimum of all `X-RateLimit-Reset-*`.
 */
function shortestReset(headers: IncomingHttpHeaders, now: number): number | undefined {
  let shortest: number | undefined
  for (const name of Object.keys(headers)) {
    if (!/^x-ratelimit-reset(-|$)/.test(name)) continue
    const wait = waitOfHeader(headers, name, now)
    if (wait !== undefined && (shortest === undefined || wait < shortest)) shortest = wait
  }
  return shortest
}
