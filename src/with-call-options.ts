import { type CallOptions, checkCallOptions, runInCallScope } from './call/call-options.ts'
import { resolveRetryOptions, type RetryOptions } from './retry/options.ts'

/**
 * Runs `call` with options for the calls that it makes, through any `fetch` or `request`: they travel by
 * `AsyncLocalStorage`, since `fetch` drops what it does not know. Meant for one call; a scope inside another adds to it.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * await withCallOptions({ idempotencyKey: order.id, labels: { order: order.id } }, () =>
 *   fetch('https://api.example.com/charges', { method: 'POST', body: JSON.stringify(order) }))
 */
export function withCallOptions<T>(options: CallOptions<RetryOptions>, call: () => T): T {
  checkCallOptions(options)
  if (options.retry !== undefined && options.retry !== false) resolveRetryOptions(options.retry)
  if (typeof call !== 'function') throw new TypeError(`\`call\` must be a function, got ${String(call)}`)
  return runInCallScope(options, call)
}
