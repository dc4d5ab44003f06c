import type { Reporter } from '../telemetry/reporter.ts'
import type { RetryPolicy } from './options.ts'

/** What `isRetryableError` says of an error, where there is one. Thrown in undici's callbacks, its error would hang the call. */
export function usersWordOn(error: Error, policy: RetryPolicy, reporter: Reporter): boolean | undefined {
  const { isRetryableError } = policy
  if (isRetryableError === undefined) return undefined
  return reporter.guard('isRetryableError', undefined, isRetryableError, error)
}
