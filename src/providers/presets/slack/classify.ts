import type { ClassifiedResponse } from '../../../classification/options.ts'
import { headerValue } from '../../../http/headers.ts'
import type { Verdict } from '../../../http/outcome.ts'
import { errorBody, textOf } from '../../kit/policy/error-body.ts'
import { providerFacts } from '../../kit/policy/facts.ts'

/** Slack failed, and some of it may have been done. */
const transient = new Set(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout'])

/**
 * What a Slack response means: its failures come with status 200 and `ok: false`. The rules and where they come from:
 * docs/architecture/providers/presets/slack.md.
 */
export function classifySlack(
  { statusCode, headers, body, request }: ClassifiedResponse,
  isRead: (request: ClassifiedResponse['request']) => boolean,
): Verdict | undefined {
  const answer = errorBody(body)
  const error = textOf(answer, 'error')
  const facts = providerFacts(error, textOf(answer, 'error'), headerValue(headers, 'x-slack-req-id'))
  if (statusCode === 429) return { ...facts, kind: 'rate-limited' }
  if (statusCode >= 400) return facts
  if (answer?.['ok'] !== false || error === undefined) return undefined
  if (error === 'ratelimited' || error === 'rate_limited') return { ...facts, kind: 'rate-limited' }
  if (!transient.has(error)) return { ...facts, kind: 'permanent' }
  const isSafe = request.method === 'GET' || isRead(request)
  return { ...facts, kind: 'transient', circuitFailure: true, ...(isSafe ? {} : { delivery: 'unknown' }) }
}
