import type { ClassifiedResponse } from '../../../classification/options.ts'
import { headerValue } from '../../../http/headers.ts'
import type { Verdict } from '../../../http/outcome.ts'
import { nextDay, nextMonth } from '../../kit/policy/calendar.ts'
import { errorBody, textOf } from '../../kit/policy/error-body.ts'
import { providerFacts } from '../../kit/policy/facts.ts'

/** What a Resend response means. Pure: the time is passed in. The rules: docs/architecture/providers/presets/resend.md. */
export function classifyResend(
  { statusCode, headers, body }: ClassifiedResponse,
  now: number,
): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = errorBody(body)
  const name = textOf(error, 'name')
  const facts = providerFacts(name, textOf(error, 'message'), headerValue(headers, 'x-request-id'))
  if (statusCode !== 429) return facts
  // quotas come as 429 too, and no wait of seconds renews them
  if (name !== undefined && /quota/.test(name)) {
    return {
      ...facts,
      kind: 'rate-limited',
      notBefore: /month|contact/.test(name) ? nextMonth(now) : nextDay(now),
    }
  }
  return { ...facts, kind: 'rate-limited' }
}
