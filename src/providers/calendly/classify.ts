import type { ClassifiedResponse } from '../../classification/options.ts'
import { headerValue } from '../../http/headers.ts'
import type { Verdict } from '../../http/outcome.ts'
import { waitOfHeader } from '../../http/waits/asked-wait.ts'
import { errorBody, textOf } from '../kit/policy/error-body.ts'
import { providerFacts } from '../kit/policy/facts.ts'

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
    headerValue(headers, 'x-request-id'),
  )
  if (statusCode !== 429) return facts
  const wait = waitOfHeader(headers, 'x-ratelimit-reset', now)
  return { ...facts, kind: 'rate-limited', retryAfterMs: wait ?? WINDOW_MS }
}
