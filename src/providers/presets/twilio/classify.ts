import type { ClassifiedResponse } from '../../../classification/options.ts'
import { headerValue } from '../../../http/headers.ts'
import type { Verdict } from '../../../http/outcome.ts'
import { errorBody, textOf } from '../../kit/policy/error-body.ts'
import { providerFacts } from '../../kit/policy/facts.ts'

/** What a Twilio response means. The rules and where they come from: docs/architecture/providers/presets/twilio.md. */
export function classifyTwilio({ statusCode, headers, body }: ClassifiedResponse): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = errorBody(body)
  const facts = providerFacts(
    textOf(error, 'code'),
    textOf(error, 'message'),
    headerValue(headers, 'twilio-request-id'),
  )
  // 20429: "never processed"
  return statusCode === 429 ? { ...facts, kind: 'rate-limited' } : facts
}
