import { type Delivery, deliveryOfStatus } from './delivery.ts'
import type { Verdict } from './outcome.ts'

/**
 * What providers answer while they still work on an earlier request with the same idempotency key.
 * @see https://www.ietf.org/archive/id/draft-ietf-httpapi-idempotency-key-header-06.html#section-2.6 (409)
 * @see https://www.rfc-editor.org/rfc/rfc8470#section-5.2 (425)
 */
const saysInProgress = new Set([409, 425])

/** Whether an attempt may still be worked on: it was sent, and nobody knows what became of it. */
export function isUnanswered({
  delivery,
  statusCode,
}: {
  readonly delivery?: Delivery | undefined
  readonly statusCode?: number | undefined
}): boolean {
  return (delivery ?? (statusCode === undefined ? undefined : deliveryOfStatus(statusCode))) === 'unknown'
}

/**
 * Whether an answer may mean "not yet", where a request with the same key went unanswered before it. A verdict with a
 * `kind` knows better.
 */
export function mayBeInProgress(statusCode: number, verdict: Verdict | undefined): boolean {
  return saysInProgress.has(statusCode) && verdict?.kind === undefined
}

/** What such an answer means: not now, and the server may be acting on the request. */
export function inProgressVerdict(statusCode: number, verdict: Verdict | undefined): Verdict {
  return {
    message: `the server answered ${statusCode}: it may still work on an earlier attempt with the same key`,
    ...verdict,
    kind: 'transient',
    circuitFailure: false,
    delivery: 'unknown',
  }
}
