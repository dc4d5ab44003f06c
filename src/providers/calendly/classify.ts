import type { Verdict } from '../../call/outcome.ts'
import { parseReset } from '../../call/retry-after.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { errorBody, textOf } from '../shared/error-body.ts'
import { headerOf, providerFacts } from '../shared/facts.ts'

/** The usual window, for a 429 that does not say when it ends. */
const WINDOW_MS = 60_000

/**
 * What a Calendly response means. Pure: the time is passed in. The rules and where they come from:
 * docs/architecture/providers/calendly.md.
 */
export function classifyCalendly(
  { statusCode, headers, body }: ClassifiedResponse,
  now: number,
): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = errorBody(body)
  const facts = providerFacts(
    textOf(error, 'title'),
    textOf(error, 'message', 'title'),
    headerOf(headers, 'x-request-id'),
  )
  if (statusCode !== 429) return facts
  const reset = headerOf(headers, 'x-ratelimit-reset')
  const wait = reset === undefined ? undefined : parseReset(reset, now)
  return { ...facts, kind: 'rate-limited', retryAfterMs: wait ?? WINDOW_MS }
}
