import type { ClassifiedResponse } from '../../../classification/options.ts'
import { headerValue } from '../../../http/headers.ts'
import type { Verdict } from '../../../http/outcome.ts'
import { waitOfHeader } from '../../../http/waits/asked-wait.ts'
import { errorBody, textOf } from '../../kit/policy/error-body.ts'
import { providerFacts } from '../../kit/policy/facts.ts'

/** "At least one minute", for a limit that does not say for how long. */
const MINUTE_MS = 60_000

/**
 * What a GitHub response means: its limits come as 403 or 429. Pure: the time is passed in. The rules and where they come
 * from: docs/architecture/providers/presets/github.md.
 */
export function classifyGitHub(
  { statusCode, headers, body }: ClassifiedResponse,
  now: number,
): Verdict | undefined {
  if (statusCode < 400) return undefined
  const message = textOf(errorBody(body), 'message')
  const facts = providerFacts(undefined, message, headerValue(headers, 'x-github-request-id'))
  if (statusCode !== 403 && statusCode !== 429) return facts
  const retryAfter = waitOfHeader(headers, 'retry-after', now)
  if (retryAfter !== undefined) return { ...facts, kind: 'rate-limited', retryAfterMs: retryAfter }
  if (headerValue(headers, 'x-ratelimit-remaining') === '0') {
    const reset = waitOfHeader(headers, 'x-ratelimit-reset', now)
    return { ...facts, kind: 'rate-limited', retryAfterMs: reset ?? MINUTE_MS }
  }
  if (statusCode === 429 || /rate limit/i.test(message ?? '')) {
    return { ...facts, kind: 'rate-limited', retryAfterMs: MINUTE_MS }
  }
  // a right that the token lacks
  return { ...facts, kind: 'permanent' }
}
