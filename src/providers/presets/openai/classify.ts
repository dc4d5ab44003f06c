import type { ClassifiedResponse } from '../../../classification/options.ts'
import { headerValue } from '../../../http/headers.ts'
import type { Verdict } from '../../../http/outcome.ts'
import { errorBody, textOf } from '../../kit/policy/error-body.ts'
import { providerFacts } from '../../kit/policy/facts.ts'
import { nested } from '../../kit/policy/nested.ts'

/** Money or an agreed limit: no wait of seconds brings it back. */
const spent = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'organization_spend_limit_exceeded',
  'project_spend_limit_exceeded',
  'organization_usage_limit_exceeded',
])

/** What an OpenAI response means. The rules and where they come from: docs/architecture/providers/presets/openai.md. */
export function classifyOpenAI({ statusCode, headers, body }: ClassifiedResponse): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = nested(errorBody(body), 'error')
  const code = textOf(error, 'code')
  const type = textOf(error, 'type')
  const facts = providerFacts(code ?? type, textOf(error, 'message'), headerValue(headers, 'x-request-id'))
  if (statusCode === 429) {
    // kept: whoever pays can have it sent again
    if (spent.has(code ?? '') || spent.has(type ?? '')) {
      return { ...facts, kind: 'permanent', deadLetter: true }
    }
    return { ...facts, kind: 'rate-limited' }
  }
  // turned down before any work, and no outage
  if (statusCode === 503 && (code === 'server_is_overloaded' || code === 'slow_down')) {
    return { ...facts, kind: 'rate-limited' }
  }
  return facts
}
