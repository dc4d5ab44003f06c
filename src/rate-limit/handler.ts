import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import { deliveryOfError, errorCode } from '../http/delivery.ts'
import type { Budget } from './budget.ts'
import type { Limiter } from './limiter.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/**
 * One attempt under the limits of its key: gives its permit back where nothing was sent, and hears what the provider says
 * of its limits.
 *
 * The methods that only pass on stand in every handler: a shared base class costs a call more than the repetition
 * (`call/layer.ts`).
 */
export class RateLimitHandler implements Dispatcher.DispatchHandler {
  readonly #budget: Budget
  readonly #attempt: Attempt
  readonly #options: Dispatcher.DispatchOptions
  readonly #handler: Dispatcher.DispatchHandler
  /** `undefined` where the key has no limits, as far as is known. */
  readonly #limiter: Limiter | undefined
  /** What it took; `undefined` where it has no permit, or has given it back. */
  #units: readonly number[] | undefined
  /** When it took it. */
  readonly #takenAt: number

  constructor(
    budget: Budget,
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    limiter: Limiter | undefined,
    units: readonly number[] | undefined,
  ) {
    this.#budget = budget
    this.#attempt = attempt
    this.#options = options
    this.#handler = handler
    this.#limiter = limiter
    this.#units = units
    this.#takenAt = attempt.startedAt
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#attempt.started = true
    this.#handler.onRequestStart?.(controller, context)
    const limiter = this.#limiter
    if (limiter === undefined) return
    // the circuit let it through
    limiter.circuitRefusedAt = -Infinity
    // an abort that came before a connection was free is applied here, and undici writes nothing
    if (controller.aborted) this.#giveBack()
    else if (this.#units === undefined) {
      this.#units = limiter.ones
      limiter.charge(limiter.ones)
    } else if (this.#attempt.startedAt !== this.#takenAt) {
      // it waited in the circuit's line: the provider sees it now and not when it took its permit
      limiter.charge(this.#units)
      limiter.giveBack(this.#units, this.#takenAt)
    }
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#handler.onRequestUpgrade?.(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (statusCode >= 200) {
      if (!this.#budget.toldByRetry) this.#budget.heed(this.#attempt, this.#options, statusCode, headers)
      if (statusCode < 400) this.#limiter?.ramp.served()
      if (this.#limiter !== undefined) {
        this.#budget.answered(this.#limiter, this.#attempt, this.#units, statusCode, headers)
      }
    }
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#limiter !== undefined) this.#failed(this.#limiter, error)
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

  #failed(limiter: Limiter, error: Error): void {
    const attempt = this.#attempt
    if (errorCode(error) === 'ERR_CIRCUIT_OPEN') limiter.circuitRefusedAt = performance.now()
    const neverSent =
      error === attempt.thrown || deliveryOfError(error, attempt.started, attempt.fresh) === 'not-sent'
    if (neverSent || (attempt.call.cancelled && !attempt.started)) this.#giveBack()
  }

  #giveBack(): void {
    const units = this.#units
    if (units === undefined) return
    this.#units = undefined
    this.#limiter?.giveBack(units, this.#takenAt)
  }
}
