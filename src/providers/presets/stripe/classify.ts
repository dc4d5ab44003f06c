import type { ClassifiedResponse } from '../../../classification/options.ts'
import { headerValue } from '../../../http/headers.ts'
import type { Verdict } from '../../../http/outcome.ts'
import { errorBody, textOf } from '../../kit/policy/error-body.ts'
import { providerFacts } from '../../kit/policy/facts.ts'
import { nested } from '../../kit/policy/nested.ts'
import { pathOf } from '../../kit/policy/route.ts'

/**
 * What a Stripe response means. The rules and where they come from: docs/architecture/providers/presets/stripe.md.
 */
export function classifyStripe({
  statusCode,
  headers,
  body,
  request,
}: ClassifiedResponse): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = nested(errorBody(body), 'error')
  const facts = providerFacts(
    // a declined card says why in a code of its own
    textOf(error, 'decline_code', 'code', 'type'),
    textOf(error, 'message'),
    headerValue(headers, 'request-id'),
  )
  // it runs before anything else, idempotency keys too
  if (statusCode === 429) return { ...facts, kind: 'rate-limited' }
  const should = headerValue(headers, 'stripe-should-retry')
  if (should === 'false') {
    return statusCode < 500 ? { ...facts, kind: 'permanent' } : { ...facts, ...kept, circuitFailure: true }
  }
  if (should === 'true') return { ...facts, kind: 'transient', circuitFailure: statusCode >= 500 }
  const isPost = request.method === 'POST'
  if (statusCode === 500 && isPost && !pathOf(request).startsWith('/v2/')) {
    // the answer is stored with the key: the same request gets it again, and again
    return { ...facts, ...kept, circuitFailure: headerValue(headers, 'idempotent-replayed') !== 'true' }
  }
  return facts
}

/** Not sent again by itself; kept, since nobody can say what of it was done. */
const kept = { kind: 'permanent', deadLetter: true, delivery: 'unknown' } as const
