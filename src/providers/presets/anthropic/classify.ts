import type { ClassifiedResponse } from '../../../classification/options.ts'
import { headerValue } from '../../../http/headers.ts'
import type { Verdict } from '../../../http/outcome.ts'
import { nextMonth } from '../../kit/policy/calendar.ts'
import { errorBody, textOf } from '../../kit/policy/error-body.ts'
import { providerFacts } from '../../kit/policy/facts.ts'
import { nested } from '../../kit/policy/nested.ts'

/** What an Anthropic response means. Pure: the time is passed in. The rules: docs/architecture/providers/presets/anthropic.md. */
export function classifyAnthropic(
  { statusCode, headers, body }: ClassifiedResponse,
  now: number,
): Verdict | undefined {
  if (statusCode < 400) return undefined
  const answer = errorBody(body)
  const error = nested(answer, 'error')
  const code = textOf(nested(error, 'details'), 'error_code')
  const facts = providerFacts(
    code ?? textOf(error, 'type'),
    textOf(error, 'message'),
    headerValue(headers, 'request-id') ?? textOf(answer, 'request_id'),
  )
  if (statusCode === 429) {
    // no wait is told: the limit of a month
    const isSpent =
      code === 'enforced_spend_limit_reached' && headerValue(headers, 'retry-after') === undefined
    return { ...facts, kind: 'rate-limited', ...(isSpent ? { notBefore: nextMonth(now) } : {}) }
  }
  if (statusCode === 409) return { ...facts, kind: 'transient', safeToRetry: true, circuitFailure: false }
  return facts
}
