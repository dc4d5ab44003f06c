import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
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
  /** A connection takes up an attempt: whether it is to wait instead. `undefined` where another handler asks. */
  readonly holdsBack:
    | ((
        attempt: Attempt,
        options: Dispatcher.DispatchOptions,
        controller: Dispatcher.DispatchController,
      ) => boolean)
    | undefined
  /** What is thrown where it does. */
  readonly heldBack: HeldBack
}

/** Tells undici that an attempt is not to be sent. Each layer throws its own, and never does it reach a caller. */
export class HeldBack extends Error {
  /** For interceptors below, which hand it on: undici's own retry leaves alone what has a code that it does not know. */
  readonly code = 'ERR_HELD_BACK'

  constructor() {
    super('undici-resilience: held back, the provider has asked to wait')
  }
}

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
 */
export function holdBack(attempt: Attempt, heldBack: HeldBack): never {
  attempt.started = false
  attempt.thrown = heldBack
  throw heldBack
}

/** Nothing was sent: it says nothing of the server. */
export function isHeldBack(error: Error): boolean {
  return error instanceof HeldBack
}

/**
 * To be asked in `onResponseError`: the attempt waits again, and is as it was before it was dispatched. An interceptor
 * below that lets several calls share a request tells them all. What a layer further out has thrown is for that one: it
 * alone knows what is waited for.
 */
export function wasHeldBack(attempt: Attempt, error: Error, own: HeldBack | undefined): boolean {
  if (!isHeldBack(error) || (error === attempt.thrown && error !== own) || attempt.call.finished) return false
  attempt.thrown = undefined
  attempt.started = false
  attempt.fresh = false
  attempt.call.controller.detach()
  return true
}
