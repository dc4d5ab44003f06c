import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import type { CancelHook } from '../call/cancel-hook.ts'
import { type TimeLimit, timeoutError } from '../call/time-limit.ts'
import type { RequestTimeoutError } from '../errors.ts'
import { type Deadline, NOT_WAITING } from '../time/deadlines.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/**
 * Lives through one attempt, or through the whole call where no retry is above it. Waits for its deadline itself.
 *
 * The methods that only pass on stand in every handler: a shared base class costs a call more than the repetition
 * (`call/layer.ts`).
 */
export class TimeoutHandler implements Dispatcher.DispatchHandler, Deadline, CancelHook {
  place = NOT_WAITING
  nextCancelHook: CancelHook | undefined = undefined
  readonly #attempt: Attempt
  readonly #handler: Dispatcher.DispatchHandler
  readonly #limit: TimeLimit
  #controller: Dispatcher.DispatchController | undefined = undefined
  #error: RequestTimeoutError | undefined = undefined

  constructor(attempt: Attempt, handler: Dispatcher.DispatchHandler, limit: TimeLimit) {
    this.#attempt = attempt
    this.#handler = handler
    this.#limit = limit
    const { call } = attempt
    const now = attempt.now()
    if (limit.scope === 'call') call.deadline = Math.min(call.deadline, now + limit.deadlines.ms)
    limit.deadlines.set(this, now)
    call.onCancel(this)
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (this.#error !== undefined) {
      // a connection takes up an attempt that is already over: it must not send it
      controller.abort(this.#error)
      return
    }
    this.#controller = controller
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#end()
    this.#handler.onRequestUpgrade?.(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (this.#error !== undefined) return
    this.#controller = controller
    if (!this.#limit.untilEnd && statusCode >= 200) this.#end()
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#error === undefined) this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#error !== undefined) return
    this.#end()
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#error !== undefined) return
    this.#end()
    this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
  }

  onResponseStarted(): void {
    if (this.#error === undefined) this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    if (this.#error === undefined) this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    if (this.#error === undefined) this.#handler.onRequestSent?.()
  }

  /** The call is over: nothing is waited for any more. */
  cancelled(): void {
    this.#limit.deadlines.clear(this)
  }

  #end(): void {
    if (this.place === NOT_WAITING) return
    this.#limit.deadlines.clear(this)
    this.#attempt.call.offCancel(this)
  }

  /** Comes from a timer that all calls share: in the async context of none. */
  expire(): void {
    this.#attempt.call.runInAsyncScope(this.#expired, this)
  }

  #expired(): void {
    const { call } = this.#attempt
    call.offCancel(this)
    this.#error = timeoutError(call, this.#limit)
    // What is under this layer first, so that it has settled when the caller hears of it and nothing starts after:
    // a wait between attempts, and the attempt in hand, whose report is not let through.
    if (this.#limit.scope === 'call') call.deadline = 0
    call.stopWaiting()
    this.#controller?.abort(this.#error)
    this.#handler.onResponseError?.(this.#controller as Dispatcher.DispatchController, this.#error)
  }
}
