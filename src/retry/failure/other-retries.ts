import { RetryHandler } from 'undici'
import type { Call } from '../../call/call.ts'

/** Handlers of interceptors above that are gone through, each inside the one before. */
const MAX_ABOVE = 8

/**
 * Says once that there is a second retry in one dispatcher, where that can be known: each repeats what the other has
 * repeated. Asked when an attempt has failed, so that a healthy call pays nothing.
 */
export function makeLookForOthers(): (call: Call, error: Error | undefined, isOuter: boolean) => void {
  let told = false
  return (call, error, isOuter) => {
    if (told) return
    const other = otherRetry(call, error, isOuter)
    if (other === undefined) return
    told = true
    process.emitWarning(
      `${call.method} ${call.redactedUrl} goes through two retries, which make more attempts than either allows: ${other}; leave one out`,
      'ResilienceWarning',
    )
  }
}

function otherRetry(call: Call, error: Error | undefined, isOuter: boolean): string | undefined {
  if (!isOuter) return 'two of undici-resilience are composed in one dispatcher'
  if ((error as { code?: unknown } | undefined)?.code === 'UND_ERR_REQ_RETRY') {
    return "undici's own retry is under this one and repeats each attempt"
  }
  return isRetryAbove(call.caller) ? "undici's own retry is above this one and repeats each call" : undefined
}

/** A second copy of undici has a class of its own, of the same name. */
function isRetryAbove(handler: unknown): boolean {
  for (let above = 0; above < MAX_ABOVE && typeof handler === 'object' && handler !== null; above++) {
    if (handler instanceof RetryHandler || handler.constructor.name === RetryHandler.name) return true
    handler = (handler as { handler?: unknown }).handler
  }
  return false
}
