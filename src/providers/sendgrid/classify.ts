import type { Verdict } from '../../call/outcome.ts'
import { parseReset } from '../../call/retry-after.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import { type ErrorBody, errorBody, textOf } from '../shared/error-body.ts'
import { headerOf, providerFacts } from '../shared/facts.ts'

const DAY_MS = 86_400_000

/**
 * What a SendGrid response means. Pure: the time is passed in. The rules and where they come from:
 * docs/architecture/providers/sendgrid.md.
 */
export function classifySendGrid(
  { statusCode, headers, body }: ClassifiedResponse,
  now: number,
): Verdict | undefined {
  if (statusCode < 400) return undefined
  const error = firstError(errorBody(body))
  const message = textOf(error, 'message')
  const requestId = headerOf(headers, 'x-message-id') ?? headerOf(headers, 'x-request-id')
  if (statusCode === 401 && /maximum credits exceeded/i.test(message ?? '')) {
    // not a bad key: the plan's credits are used up, and no retry brings them back before they are renewed
    return {
      ...providerFacts('MAX_CREDITS', message, requestId),
      kind: 'rate-limited',
      notBefore: nextMidnight(now),
    }
  }
  const facts = providerFacts(textOf(error, 'field', 'error_id', 'help'), message, requestId)
  if (statusCode !== 429) return facts
  const reset = headerOf(headers, 'x-ratelimit-reset')
  const wait = reset === undefined ? undefined : parseReset(reset, now)
  return { ...facts, kind: 'rate-limited', ...(wait === undefined ? {} : { retryAfterMs: wait }) }
}

/** Errors come as `{ errors: [{ message, field }] }`. */
function firstError(body: ErrorBody | undefined): ErrorBody | undefined {
  const errors = body?.['errors']
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined
  return typeof first === 'object' && first !== null ? (first as ErrorBody) : undefined
}

/** Credits of a day and of a month are both renewed at a midnight; SendGrid keeps UTC. */
function nextMidnight(now: number): number {
  return (Math.floor(now / DAY_MS) + 1) * DAY_MS
}
