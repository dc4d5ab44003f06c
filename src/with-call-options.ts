import { callChecks, type CallOptions, onlyFalseOption, runInCallScope } from './call/call-options.ts'
import { type Checks, overrides, resolveGiven } from './checks.ts'
import { workOption } from './options.ts'
import { retryChecks, type RetryOptions, type RetryPolicy } from './retry/options.ts'

/** Retry options of one call: it is let through by the budget of its origin, or asks none. */
export type CallRetryOptions = Omit<RetryOptions, 'budget'> & { budget?: false | undefined }

/** The options of one call: each with its bound. They have no defaults: what is left out is the stack's. */
const withCallOptionsChecks: Checks<CallOptions<CallRetryOptions>, CallOptions> = {
  ...callChecks,
  retry: overrides<CallRetryOptions, RetryPolicy>({ ...retryChecks, budget: onlyFalseOption }),
}

/**
 * Runs `call` with options for the calls that it makes, through any `fetch` or `request`: they travel by
 * `AsyncLocalStorage`, since `fetch` drops what it does not know. Meant for one call: an `idempotencyKey` is sent with one
 * request alone. A scope inside another adds to it.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * await withCallOptions({ idempotencyKey: order.id, labels: { order: order.id } }, () =>
 *   fetch('https://api.example.com/charges', { method: 'POST', body: JSON.stringify(order) }))
 */
export function withCallOptions<T>(options: CallOptions<CallRetryOptions>, call: () => T): T {
  const scope = resolveGiven('withCallOptions', withCallOptionsChecks, options)
  workOption('call', call)
  return runInCallScope(scope, call)
}
