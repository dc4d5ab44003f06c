import type { Verdict } from '../../call/outcome.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { errorBody, textOf } from '../shared/error-body.ts'
import { headerOf, providerFacts } from '../shared/facts.ts'

/** What an Acuity response means. The rules and where they come from: docs/architecture/providers/acuity.md. */
export function classifyAcuity({ statusCode, headers, body }: ClassifiedResponse): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = errorBody(body)
  const facts = providerFacts(
    textOf(error, 'error'),
    textOf(error, 'message'),
    headerOf(headers, 'x-request-id'),
  )
  if (statusCode === 429) return { ...facts, kind: 'rate-limited' }
  return statusCode < 500 ? { ...facts, kind: 'permanent' } : facts
}
