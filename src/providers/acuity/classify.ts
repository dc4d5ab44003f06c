import type { ClassifiedResponse } from '../../classification/options.ts'
import { headerValue } from '../../http/headers.ts'
import type { Verdict } from '../../http/outcome.ts'
import { errorBody, textOf } from '../kit/policy/error-body.ts'
import { providerFacts } from '../kit/policy/facts.ts'

/** What an Acuity response means. The rules and where they come from: docs/architecture/providers/acuity.md. */
export function classifyAcuity({ statusCode, headers, body }: ClassifiedResponse): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = errorBody(body)
  const facts = providerFacts(
    textOf(error, 'error'),
    textOf(error, 'message'),
    headerValue(headers, 'x-request-id'),
  )
  if (statusCode === 429) return { ...facts, kind: 'rate-limited' }
  return statusCode < 500 ? { ...facts, kind: 'permanent' } : facts
}
