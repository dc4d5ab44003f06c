import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import { isBeingSent } from '../call/body/request-body.ts'
import { send } from '../call/layer.ts'
import { holdBack, isHeldBack, wasHeldBack } from '../call/line/held-back.ts'
import { inProgressVerdict, isUnanswered, mayBeInProgress } from '../http/in-progress.ts'
import { errorOutcome, type Outcome, responseOutcome } from '../http/outcome.ts'
import type { RetryContext } from './context.ts'
import { Discard, isTooLongToDrain } from './failure/discard.ts'
import { FailedAttempt, type Retrier, type Turn } from './failure/failed-attempt.ts'
import { KeptResponse } from './failure/kept-response.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/**
 * Lives through one attempt, and the wait after it.
 *
 * The methods that only pass on stand in every handler: a shared base class costs a call more than the repetition
 * (`call/layer.ts`).
 */
export class RetryHandler implements Dispatcher.DispatchHandler, Retrier {
  readonly #context: RetryContext
  readonly #attempt: Attempt
  readonly #options: Dispatcher.DispatchOptions
  readonly #handler: Dispatcher.DispatchHandler
  readonly #turn: Turn
  /** The answer of this attempt is the caller's. */
  #final = false
  /** This attempt failed, whatever follows. */
  #failed: FailedAttempt | undefined
  /** Nobody hears of it any more, or not yet: another one follows, or may. */
  #discard: Discard | undefined

  constructor(
    context: RetryContext,
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    turn: Turn,
  ) {
    this.#context = context
    this.#attempt = attempt
    this.#options = options
    this.#handler = handler
    this.#turn = turn
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    const { coolDowns } = this.#context
    if (coolDowns?.holdsBack !== undefined && this.#discard === undefined) {
      const forMs = coolDowns.holdsBack(this.#attempt, this.#options, controller)
      if (forMs > 0) holdBack(this.#attempt, coolDowns.holder, forMs)
    }
    this.#attempt.started = true
    if (this.#discard !== undefined) this.#discard.take(controller)
    else this.#handler.onRequestStart?.(controller, context)
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
    if (this.#discard !== undefined) return
    const { verdict } = this.#attempt
    if (statusCode < 200) {
      this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
      return
    }
    if (!this.#final && (statusCode >= 400 || verdict !== undefined)) {
      this.#attempt.statusCode = statusCode
      this.#context.coolDowns?.heed(this.#attempt, this.#options, statusCode, headers)
      if (mayBeInProgress(statusCode, verdict) && this.#hasUnanswered()) {
        this.#attempt.verdict = inProgressVerdict(statusCode, verdict)
      }
      const sending = isBeingSent(this.#options.body)
      const outcome = responseOutcome(statusCode, headers, this.#attempt.verdict)
      if (this.#fails(outcome, !sending && !isTooLongToDrain(headers))) {
        const kept = new KeptResponse(controller, statusCode, headers, statusMessage)
        this.#discard = this.#failed?.isKept === true ? this.#discardOf(kept) : new Discard()
        this.#discard.begin(controller, headers, sending)
        return
      }
    } else if (!this.#final) this.#context.budgets?.succeeded(this.#attempt, this.#turn.paidBy)
    this.#final = true
    if (this.#failed === undefined) {
      this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
      return
    }
    // apart: a `try` costs every call that comes through it
    this.#handOnFailure(controller, statusCode, headers, statusMessage, this.#failed)
  }

  #handOnFailure(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage: string | undefined,
    failed: FailedAttempt,
  ): void {
    try {
      this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
    } finally {
      failed.tellGivenUp()
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#discard !== undefined) this.#discard.data(chunk)
    else this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#discard !== undefined) this.#discard.end(trailers)
    else this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#discard !== undefined) {
      this.#discard.broke(error)
      return
    }
    if (wasHeldBack(this.#attempt, error, this.#context.coolDowns?.holder)) {
      this.#dispatchAgain()
      return
    }
    const { call, started, fresh } = this.#attempt
    if (
      !this.#final &&
      !call.cancelled &&
      !call.abandoned &&
      !call.finished &&
      !isHeldBack(error) &&
      this.#fails(errorOutcome(error, started, fresh), true)
    ) {
      this.#discard = new Discard()
      return
    }
    this.#final = true
    this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
    this.#failed?.tellGivenUp()
  }

  onResponseStarted(): void {
    if (this.#discard === undefined) this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    if (this.#discard === undefined) this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    if (this.#discard === undefined) this.#handler.onRequestSent?.()
  }

  /** As if it had not been dispatched yet: the layer below lets it wait. */
  #dispatchAgain(): void {
    const attempt = this.#attempt
    attempt.call.runInAsyncScope(send, undefined, this.#context.next, attempt, this.#options, this)
  }

  /** An earlier attempt with the same key went out, and nobody knows what became of it. */
  #hasUnanswered(): boolean {
    const { call } = this.#attempt
    return call.idempotencyKey !== undefined && call.history.some(isUnanswered)
  }

  /** In the caller's async context: undici calls back in that of whoever opened the connection. */
  #fails(outcome: Outcome, keepable: boolean): boolean {
    const failed = new FailedAttempt(this.#context, this.#attempt, this.#options, outcome, this.#turn, this)
    this.#failed = failed
    return this.#attempt.call.runInAsyncScope(() => failed.decide(keepable))
  }

  #discardOf(kept: KeptResponse): Discard {
    return new Discard(kept, () => {
      if (this.#failed?.stopWaiting() !== true) return false
      this.handOn()
      return true
    })
  }

  attemptAgain(turn: Turn): void {
    const { call } = this.#attempt
    const attempt = call.nextAttempt()
    turn.paidBy?.goes(attempt)
    const options = attempt.optionsFrom(this.#options)
    const next = new RetryHandler(this.#context, attempt, options, this.#handler, turn)
    send(this.#context.next, attempt, options, next)
    attempt.fresh = false
  }

  handOn(): void {
    const kept = this.#discard?.kept
    const failed = this.#failed
    this.#discard = undefined
    this.#final = true
    if (kept !== undefined) kept.handOn(this.#handler)
    else if (failed?.error !== undefined) this.waitFailed(failed.error)
    failed?.tellGivenUp()
  }

  forget(): void {
    this.#discard?.kept?.forget()
  }

  waitFailed(error: Error): void {
    this.#handler.onResponseError?.(this.#attempt.call.controller, error)
  }
}
