import type { Verdict } from '../../call/outcome.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { errorBody, textOf } from '../shared/error-body.ts'
import { headerOf, providerFacts } from '../shared/facts.ts'

/**
 * What a response of the Marketing API means. The rules and where they come from:
 * docs/architecture/providers/mailchimp.md.
 */
export function classifyMailchimp({ statusCode, headers, body }: ClassifiedResponse): Verdict | undefined {
  if (statusCode < 400) return undefined
  const problem = errorBody(body)
  const title = textOf(problem, 'title')
  const facts = providerFacts(
    title,
    textOf(problem, 'detail', 'title'),
    headerOf(headers, 'x-request-id') ?? textOf(problem, 'instance'),
  )
  if (statusCode === 429) return { ...facts, kind: 'rate-limited' }
  if (statusCode === 403) {
    // Without a JSON problem it is not Mailchimp that refuses but the network before it, for too many requests.
    const isProblem = problem !== undefined || /\bjson\b/.test(headerOf(headers, 'content-type') ?? '')
    return { ...facts, kind: isProblem ? 'permanent' : 'rate-limited' }
  }
  if (
    statusCode === 503 &&
    /compliance\s?related/i.test(`${title ?? ''} ${textOf(problem, 'detail', 'type') ?? ''}`)
  ) {
    // the account is under review: no outage, and no retry ends it
    return { ...facts, kind: 'permanent' }
  }
  return facts
}
