import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import { type Layer, send } from '../call/layer.ts'
import { canBeHeldBack, holdBack, isHeldBack, wasHeldBack } from '../call/line/held-back.ts'
import { deliveryOfError, errorCode } from '../http/delivery.ts'
import type { Budget } from './budget.ts'
import type { Limiter } from './limiter.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/** What the attempts through one layer share. */
export interface LayerContext {
  readonly budget: Budget
  /** The layer itself. */
  readonly layer: Layer
  /** Lets an attempt wait in line, which goes with another handler then. */
  readonly hold: (
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    limiter: Limiter,
    units: readonly number[],
  ) => void
}

/**
 * One attempt under the limits of its key: gives its permit back where nothing was sent, and hears what the provider says
 * of its limits.
 *
 * The methods that only pass on stand in every handler: a shared base class costs a call more than the repetition
 * (`call/layer.ts`).
 */
export class RateLimitHandler implements Dispatcher.DispatchHandler {
  readonly #context: LayerContext
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
    context: LayerContext,
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    limiter: Limiter | undefined,
    units: readonly number[] | undefined,
  ) {
    this.#context = context
    this.#attempt = attempt
    this.#options = options
    this.#handler = handler
    this.#limiter = limiter
    this.#units = units
    this.#takenAt = attempt.startedAt
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    const limiter = this.#limiter
    const forMs = this.#heldBackFor(limiter, controller)
    if (forMs > 0) holdBack(this.#attempt, this.#context.budget, forMs)
    this.#attempt.started = true
    this.#handler.onRequestStart?.(controller, context)
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
      const { budget } = this.#context
      if (!budget.toldByRetry) budget.heed(this.#attempt, this.#options, statusCode, headers)
      if (statusCode < 400) this.#limiter?.ramp.served()
      if (this.#limiter !== undefined) {
        budget.answered(this.#limiter, this.#attempt, this.#units, statusCode, headers)
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
    if (wasHeldBack(this.#attempt, error, this.#context.budget)) {
      this.#waitAgain()
      return
    }
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

  /** A cool-down began while the attempt waited for a connection: it is back in line before anything is sent. */
  #heldBackFor(limiter: Limiter | undefined, controller: Dispatcher.DispatchController): number {
    const { budget } = this.#context
    if (limiter === undefined) return budget.holdsBack(this.#attempt, this.#options, controller)
    // no look at the clock unless a cool-down has begun since it took its permit
    if (limiter.coolUntil <= this.#takenAt || !canBeHeldBack(this.#attempt, controller)) return 0
    return limiter.coolUntil - performance.now()
  }

  #waitAgain(): void {
    const attempt = this.#attempt
    const { budget, layer, hold } = this.#context
    const own = this.#limiter
    const limiter = budget.takeHolder(attempt) ?? own
    if (limiter === undefined) {
      attempt.call.runInAsyncScope(send, undefined, layer, attempt, this.#options, this.#handler)
      return
    }
    const units = (limiter === own ? this.#units : undefined) ?? limiter.ones
    this.#giveBack()
    attempt.call.runInAsyncScope(hold, undefined, attempt, this.#options, this.#handler, limiter, units)
  }

  #failed(limiter: Limiter, error: Error): void {
    const attempt = this.#attempt
    if (errorCode(error) === 'ERR_CIRCUIT_OPEN') limiter.circuitRefusedAt = performance.now()
    const neverSent =
      error === attempt.thrown ||
      isHeldBack(error) ||
      deliveryOfError(error, attempt.started, attempt.fresh) === 'not-sent'
    if (neverSent || (attempt.call.cancelled && !attempt.started)) this.#giveBack()
  }

  #giveBack(): void {
    const units = this.#units
    if (units === undefined) return
    this.#units = undefined
    this.#limiter?.giveBack(units, this.#takenAt)
  }
}
