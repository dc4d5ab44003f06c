import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import type { Stoppable } from '../call/wait.ts'
import { errorCode } from '../http/delivery.ts'
import type { Verdict } from '../http/outcome.ts'
import type { Slots } from './slots.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/**
 * One attempt that holds a slot: takes it, and gives it back once, whatever its end is. An abort and a timeout of the call
 * give it back at once (`stop`), also where the attempt still waits in undici for a connection and is told of nothing.
 *
 * The methods that only pass on stand in every handler: a shared base class costs a call more than the repetition
 * (`call/layer.ts`).
 */
export class BulkheadHandler implements Dispatcher.DispatchHandler, Stoppable {
  nextStoppable: Stoppable | undefined = undefined
  readonly #slots: Slots
  readonly #attempt: Attempt
  readonly #handler: Dispatcher.DispatchHandler
  readonly #untilEnd: boolean
  #holds = true
  /** The provider had more to do than it could. */
  #refused = false

  constructor(slots: Slots, attempt: Attempt, handler: Dispatcher.DispatchHandler, untilEnd: boolean) {
    this.#slots = slots
    this.#attempt = attempt
    this.#handler = handler
    this.#untilEnd = untilEnd
    slots.take()
    attempt.call.addWait(this)
  }

  /** The call or its attempt is over: where nobody aborted, its time is. */
  stop(): void {
    if (!this.#attempt.call.cancelled) this.#overloaded()
    this.#release(false)
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#attempt.started = true
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#release(true)
    this.#handler.onRequestUpgrade?.(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (statusCode >= 200) {
      if (statusCode >= 400 && isOverload(statusCode, this.#attempt.verdict)) this.#overloaded()
      if (!this.#untilEnd) this.#release(true)
    }
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#release(true)
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (isTimeout(error)) this.#overloaded()
    this.#release(false)
    this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }

  #overloaded(): void {
    const attempt = this.#attempt
    this.#refused = true
    if (this.#holds && attempt.started) this.#slots.overloaded(attempt.startedAt, performance.now())
  }

  #release(answered: boolean): void {
    if (!this.#holds) return
    this.#holds = false
    const attempt = this.#attempt
    attempt.call.removeWait(this)
    // what was never sent says nothing of the provider
    const ms = attempt.started ? performance.now() - attempt.startedAt : 0
    this.#slots.release(ms, answered, answered && !this.#refused)
  }
}

function isOverload(statusCode: number, verdict: Verdict | undefined): boolean {
  return statusCode === 429 || statusCode === 503 || verdict?.kind === 'rate-limited'
}

const timeouts = new Set<string | undefined>([
  'ERR_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
])

function isTimeout(error: Error): boolean {
  return timeouts.has(errorCode(error))
}
