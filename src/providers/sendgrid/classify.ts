import type { ClassifiedResponse } from '../../classification/options.ts'
import { headerValue } from '../../http/headers.ts'
import type { Verdict } from '../../http/outcome.ts'
import { waitOfHeader } from '../../http/waits/asked-wait.ts'
import { nextDay } from '../kit/policy/calendar.ts'
import { type ErrorBody, errorBody, textOf } from '../kit/policy/error-body.ts'
import { providerFacts } from '../kit/policy/facts.ts'

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
  const requestId = headerValue(headers, 'x-message-id') ?? headerValue(headers, 'x-request-id')
  if (statusCode === 401 && /maximum credits exceeded/i.test(message ?? '')) {
    // not a bad key: the plan's credits are used up, and no retry brings them back before they are renewed
    return {
      ...providerFacts('MAX_CREDITS', message, requestId),
      kind: 'rate-limited',
      // credits of a day and of a month are both renewed at a midnight of UTC
      notBefore: nextDay(now),
    }
  }
  const facts = providerFacts(textOf(error, 'field', 'error_id', 'help'), message, requestId)
  // a temporary block, or a right that the key lacks: the body does not tell, so it is not retried, and not lost either
  if (statusCode === 403) return { ...facts, kind: 'permanent', deadLetter: true }
  if (statusCode !== 429) return facts
  const wait = waitOfHeader(headers, 'x-ratelimit-reset', now)
  return { ...facts, kind: 'rate-limited', ...(wait === undefined ? {} : { retryAfterMs: wait }) }
}

/** Errors come as `{ errors: [{ message, field }] }`. */
function firstError(body: ErrorBody | undefined): ErrorBody | undefined {
  const errors = body?.['errors']
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined
  return typeof first === 'object' && first !== null ? (first as ErrorBody) : undefined
}
