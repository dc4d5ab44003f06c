import { randomUUID } from 'node:crypto'
import type { Call } from '../call/call.ts'
import { requestOf } from '../call/call-request.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { madeKey, type RetryPolicy } from './options.ts'

/** Gives a call whose method is not idempotent its key, before the first attempt. */
export function giveIdempotencyKey(policy: RetryPolicy, call: Call, reporter: Reporter): void {
  if (policy.idempotencyKey === false || policy.methods.has(call.method)) return
  if (policy.idempotencyKey === true) {
    call.setIdempotencyKey(randomUUID())
    return
  }
  try {
    const key = madeKey(policy.idempotencyKey(requestOf(call)))
    if (key !== undefined) call.setIdempotencyKey(key)
  } catch (error) {
    // without a key the call is only less safe to retry: it is not a reason to fail it
    reporter.hookFailed('idempotencyKey', error)
  }
}

/** Whether the request may be sent twice: by its method, by a key that the provider knows it by, or by the user's word. */
export function isIdempotentCall(policy: RetryPolicy, call: Call, reporter: Reporter): boolean {
  if (policy.methods.has(call.method) || call.idempotencyKey !== undefined) return true
  if (policy.isIdempotent === undefined) return false
  try {
    return policy.isIdempotent(requestOf(call))
  } catch (error) {
    reporter.hookFailed('isIdempotent', error)
    return false
  }
}
