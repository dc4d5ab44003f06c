import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { RateLimitError, subjectOf } from '../../errors.ts'
import type { Attempt } from '../attempt.ts'

/** The cool-downs of the layer right below a retry, told and asked by it, so that a healthy call needs no handler there. */
export interface CoolDowns {
  /** An answer that is no success: the provider may want to be left alone. Told before anything is decided by it. */
  heed(
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    statusCode: number,
    headers: IncomingHttpHeaders,
  ): void
  /**
   * A connection takes up an attempt: for how many milliseconds it is to wait instead, 0 where it may go. `undefined` where
   * another handler asks.
   */
  readonly holdsBack:
    | ((
        attempt: Attempt,
        options: Dispatcher.DispatchOptions,
        controller: Dispatcher.DispatchController,
      ) => number)
    | undefined
  /** Whose hold it is. */
  readonly holder: object
}

/** Of errors that tell undici that an attempt is not to be sent: which layer throws it, and waits. */
const holders = new WeakMap<Error, object>()

/**
 * Whether an attempt that a connection takes up can still be held back. Not in the turn in which it was dispatched, where
 * all has just been asked, unless it came out of a line further below then. Over HTTP/2 it may start a second time, and
 * its body is not whole then. A cache that asks whether what it has is still good tells of the start when the answer is
 * there. Where a layer of ours below makes further attempts, those are not to be told from outside.
 */
export function canBeHeldBack(attempt: Attempt, controller: Dispatcher.DispatchController): boolean {
  const { call, fresh } = attempt
  return (
    (!fresh || call.waitedMs > 0) &&
    call.controller.attempt === null &&
    call.attempt === attempt &&
    !call.finished &&
    !controller.aborted &&
    (controller.rawHeaders ?? null) === null &&
    isOfRequest(controller)
  )
}

/**
 * Whether it is undici's own controller of a request, or holds one as undici's cache does. Any other is the stand-in of an
 * interceptor, and what is thrown may be swallowed: a call that shares the request of another would never be answered.
 */
function isOfRequest(controller: object): boolean {
  const { target } = controller as { target?: unknown }
  if (typeof target === 'object' && target !== null) return isOfRequest(target)
  return Object.getOwnPropertySymbols(controller).some(({ description }) => description === 'resume')
}

/**
 * To be called in `onRequestStart`: what is thrown there ends the attempt for undici without a byte written, body and
 * connection untouched; an abort would end the connection too. Whoever calls it is told by `wasHeldBack`.
 *
 * It is an error like any that a cool-down makes, since it may reach others: interceptors below, who listens to undici, and
 * a call that goes through no layer of ours and has its request shared with this one by undici's `deduplicate`. That one
 * cannot be seen from here, and nobody waits for it.
 */
export function holdBack(attempt: Attempt, holder: object, forMs: number): never {
  const error = attempt.call.runInAsyncScope(errorOf, undefined, attempt, forMs)
  holders.set(error, holder)
  attempt.started = false
  attempt.thrown = error
  throw error
}

function errorOf({ call, number }: Attempt, forMs: number): RateLimitError {
  const { integration, method, redactedUrl: url } = call
  const context = { integration, method, url, attempts: number - 1 }
  const advice =
    'A call that sees this shares its request, by `deduplicate` of undici, with one that goes through undici-resilience ' +
    'and waits: compose `deduplicate` above that, or send the call through an Agent of its own'
  return new RateLimitError(`${subjectOf(context)} was not sent: the provider has asked to wait. ${advice}`, {
    ...context,
    retryAfterMs: Math.ceil(forMs),
    refusedBy: 'provider',
  })
}

/** Nothing was sent: it says nothing of the server. */
export function isHeldBack(error: Error): boolean {
  return holders.has(error)
}

/**
 * To be asked in `onResponseError`: the attempt waits again, and is as it was before it was dispatched. An interceptor
 * below that lets several calls share a request tells them all. What a layer further out has thrown is for that one: it
 * alone knows what is waited for.
 */
export function wasHeldBack(attempt: Attempt, error: Error, own: object | undefined): boolean {
  const holder = holders.get(error)
  if (holder === undefined || (error === attempt.thrown && holder !== own) || attempt.call.finished) {
    return false
  }
  attempt.thrown = undefined
  attempt.started = false
  attempt.fresh = false
  attempt.call.controller.detach()
  return true
}
