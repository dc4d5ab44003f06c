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
}

/** Tells undici that an attempt is not to be sent. Never reaches a caller. */
const heldBack = new Error('undici-resilience: held back, the provider has asked to wait')

/**
 * Whether an attempt that a connection takes up can still be held back. Not in the turn in which it was dispatched, where
 * all has just been asked. Over HTTP/2 it may start a second time, and its body is not whole then. A plain object is the
 * stand-in of an interceptor, a cache perhaps, which may swallow what is thrown: undici's own controllers have a class.
 */
export function canBeHeldBack({ call, fresh }: Attempt, controller: Dispatcher.DispatchController): boolean {
  return (
    !fresh &&
    call.controller.attempt === null &&
    !call.finished &&
    !controller.aborted &&
    Object.getPrototypeOf(controller) !== Object.prototype
  )
}

/**
 * To be called in `onRequestStart`: what is thrown there ends the attempt for undici without a byte written, body and
 * connection untouched; an abort would end the connection too. Whoever calls it is told by `wasHeldBack`.
 */
export function holdBack(attempt: Attempt): never {
  attempt.started = false
  attempt.thrown = heldBack
  throw heldBack
}

/** Nothing was sent: it says nothing of the server. */
export function isHeldBack(error: Error): boolean {
  return error === heldBack
}

/**
 * To be asked in `onResponseError`: the attempt waits again, and is as it was before it was dispatched. An interceptor
 * below that lets several calls share a request tells them all.
 */
export function wasHeldBack(attempt: Attempt, error: Error): boolean {
  if (!isHeldBack(error)) return false
  attempt.thrown = undefined
  attempt.started = false
  return true
}
