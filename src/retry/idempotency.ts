import { randomUUID } from 'node:crypto'
import { idempotencyKeyOption } from '../call/call-options.ts'
import { type CallRequest, requestOf } from '../call/call-request.ts'
import type { Call } from '../call/call.ts'
import { headerValue } from '../http/headers.ts'
import { isWordForNothing } from '../http/nothing.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import type { RetryPolicy } from './options.ts'

/**
 * Says once that a caller meant to send a key and had none. Asked where a key would decide something, so that a healthy
 * call pays nothing.
 */
export function makeLookForNoKey(): (call: Call) => void {
  let told = false
  return ({ options, method, redactedUrl }) => {
    if (told) return
    const value = headerValue(options.headers, 'idempotency-key')
    if (value === undefined || !isWordForNothing(value)) return
    told = true
    process.emitWarning(
      `${method} ${redactedUrl} sends the word ${JSON.stringify(value)} as its idempotency key: it counts as no key`,
      'ResilienceWarning',
    )
  }
}

/** Gives a call whose method is not idempotent its key, before the first attempt. */
export function giveIdempotencyKey(policy: RetryPolicy, call: Call, reporter: Reporter): void {
  if (policy.idempotencyKey === false || policy.methods.has(call.method)) return
  if (policy.idempotencyKey === true) {
    call.setIdempotencyKey(randomUUID())
    return
  }
  // without a key the call is only less safe to retry
  const key = reporter.guard('idempotencyKey', undefined, madeKey, policy.idempotencyKey, call)
  if (key !== undefined) call.setIdempotencyKey(key)
}

/**
 * Whether the request may be sent twice, by its method or by `isIdempotent`. An idempotency key is another reason, and
 * one that ends: the provider forgets it.
 */
export function isRepeatableCall(policy: RetryPolicy, call: Call, reporter: Reporter): boolean {
  if (policy.methods.has(call.method)) return true
  const { isIdempotent } = policy
  return isIdempotent !== undefined && reporter.guard('isIdempotent', false, isIdempotent, requestOf(call))
}

/** A key made by the user's function, checked: a bad one must not reach a header. */
function madeKey(make: (request: CallRequest) => string | undefined, call: Call): string | undefined {
  const key = make(requestOf(call))
  return key === undefined ? undefined : idempotencyKeyOption('idempotencyKey', key)
}
