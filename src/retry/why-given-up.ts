import type { GivenUpReason } from '../call/call-record.ts'

/** What the reason of a call that is given up means, for whoever reads the log; the others say it themselves. */
export const whyGivenUp: Readonly<Partial<Record<GivenUpReason, string>>> = {
  'not-repeatable': 'the server may have acted on it; with an idempotency key it is retried',
  deadline: 'a further attempt does not fit into its time',
  budget: 'so much fails at its origin that retries would only add to the load',
}

/** The same, where one reason has several. */
export const waitIsTooLong = 'the provider asked for a longer wait than `retry.maxRetryAfterMs`'
export const noRoomInTime = 'a rate limit or bulkhead had no room for it in time'
export const quotaIsUsedUp = 'its quota is used up until the time that the provider says'
export const bodyIsGone = 'its body is not there any more: larger than `retry.maxBodyBytes`, or broken off'
