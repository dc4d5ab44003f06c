import type { ClassifiedResponse } from '../../classification/options.ts'
import { headerValue } from '../../http/headers.ts'
import type { Verdict } from '../../http/outcome.ts'
import { errorBody, textOf } from '../kit/policy/error-body.ts'
import { providerFacts } from '../kit/policy/facts.ts'

/** Names of errors that pass; every other name says that the request itself is at fault. */
const transientNames = new Set(['GeneralError', 'ServiceUnavailable'])

/**
 * What a response of Mailchimp Transactional means. It answers 500 for bad requests too, so the error's name
 * decides and not the status. The rules and where they come from: docs/architecture/providers/mailchimp.md.
 */
export function classifyMailchimpTransactional({
  statusCode,
  headers,
  body,
}: ClassifiedResponse): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = errorBody(body)
  const name = textOf(error, 'name')
  const facts = providerFacts(
    name,
    textOf(error, 'message'),
    headerValue(headers, 'x-request-id') ?? headerValue(headers, 'request-id'),
  )
  if (statusCode === 429 || name === 'RequestLimitExceeded') return { ...facts, kind: 'rate-limited' }
  // no name: a proxy or the network before it, and the status is all there is
  if (name === undefined) return facts
  return { ...facts, kind: transientNames.has(name) ? 'transient' : 'permanent' }
}
