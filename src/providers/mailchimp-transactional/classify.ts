import type { Verdict } from '../../call/outcome.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { errorBody, textOf } from '../shared/error-body.ts'
import { headerOf, providerFacts } from '../shared/facts.ts'

/** Names of errors that pass; every other name says that the request itself is at fault. */
const transientNames = new Set(['GeneralError', 'ServiceUnavailable'])

/**
 * What a response of the Transactional API (Mandrill) means. It answers 500 for bad requests too, so the error's name
 * decides and not the status. The rules and where they come from: docs/architecture/providers/mailchimp.md.
 */
export function classifyMandrill({ statusCode, headers, body }: ClassifiedResponse): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = errorBody(body)
  const name = textOf(error, 'name')
  const facts = providerFacts(
    name,
    textOf(error, 'message'),
    headerOf(headers, 'x-request-id') ?? headerOf(headers, 'request-id'),
  )
  if (statusCode === 429 || name === 'RequestLimitExceeded') return { ...facts, kind: 'rate-limited' }
  // no name: a proxy or the network before it, and the status is all there is
  if (name === undefined) return facts
  return { ...facts, kind: transientNames.has(name) ? 'transient' : 'permanent' }
}
