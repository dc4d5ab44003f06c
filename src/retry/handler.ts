import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { errorOutcome, type Outcome, responseOutcome } from '../call/outcome.ts'
import { isBeingSent, isReplayable } from '../call/request-body.ts'
import type { CallEvent } from '../telemetry/channels.ts'
import { channels } from '../telemetry/channels.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { MAX_TIMER_MS } from '../options.ts'
import { send } from '../call/layer.ts'
import { decideRetry } from './decision.ts'
import { Discard } from './discard.ts'
import { isIdempotentCall } from './idempotency.ts'
import type { RetryPolicy } from './options.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/** What the attempts of one call share: made once per interceptor, but for calls with options of their own. */
export interface RetryContext {
  readonly policy: RetryPolicy
  readonly reporter: Reporter
  readonly dispatch: Dispatcher.Dispatch
}

/**
 * One attempt. Its own object, so that what an attempt given up still has to say cannot be taken for the next one's.
 */
export class RetryHandler implements Dispatcher.DispatchHandler {
  readonly #context: RetryContext
  readonly #call: Call
  readonly #options: Dispatcher.DispatchOptions
  readonly #handler: Dispatcher.DispatchHandler
  /** The wait before this attempt, in milliseconds. */
  readonly #delayMs: number
  #started = false
  /** The answer of this attempt is the caller's. */
  #final = false
  /** This attempt failed and is thrown away; another one follows. */
  #discard: Discard | undefined

  constructor(
    context: RetryContext,
    call: Call,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    delayMs: number,
  ) {
    this.#context = context
    this.#call = call
    this.#options = options
    this.#handler = handler
    this.#delayMs = delayMs
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#started = true
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
    const { verdict } = this.#call
    if (statusCode < 200) {
      this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
      return
    }
    if (!this.#final && (statusCode >= 400 || verdict !== undefined)) {
      if (this.#retry(responseOutcome(statusCode, headers, verdict))) {
        this.#discard = new Discard()
        this.#discard.begin(controller, headers, isBeingSent(this.#options.body))
        return
      }
    }
    this.#final = true
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#discard !== undefined) this.#discard.data(chunk)
    else this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#discard !== undefined) this.#discard.end()
    else this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#discard !== undefined) {
      this.#discard.end()
      return
    }
    if (
      !this.#final &&
      !this.#call.cancelled &&
      !this.#call.finished &&
      this.#retry(errorOutcome(error, this.#started))
    ) {
      this.#discard = new Discard()
      return
    }
    this.#final = true
    this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
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

  /** Decides, tells what was decided, and schedules the next attempt. Returns whether there is one. */
  #retry(outcome: Outcome): boolean {
    const call = this.#call
    const { policy, reporter } = this.#context
    call.repeatable = isIdempotentCall(policy, call, reporter)
    const decision = decideRetry(policy, {
      outcome,
      retryableError: isRetryable(policy, outcome, reporter),
      attempt: call.attempt,
      idempotent: call.repeatable,
      bodyReplayable: isReplayable(this.#options.body),
      previousDelayMs: this.#delayMs,
      remainingMs: call.deadline - performance.now(),
      now: Date.now(),
      random: Math.random(),
    })
    if (!decision.retry && decision.givenUp === undefined) return false

    const error = outcome.kind === 'error' ? outcome.error : undefined
    const attempted = !isRefusal(outcome)
    if (attempted) {
      const delivery = outcome.kind === 'error' ? outcome.delivery : outcome.verdict?.delivery
      call.logAttempt({ ...outcome, delivery })
    }
    if (attempted && reporter.hears(channels.attemptFailed)) {
      reporter.attemptFailed({ ...this.#event(outcome), error, durationMs: call.history?.at(-1)?.ms ?? 0 })
    }
    if (!decision.retry) {
      call.givenUp = decision.givenUp
      if (reporter.hears(channels.callGivenUp)) {
        reporter.callGivenUp({ ...this.#event(outcome), error, reason: decision.givenUp.reason })
      }
      return false
    }
    const { delayMs, retryAfterMs } = decision
    if (reporter.hears(channels.retryScheduled)) {
      reporter.retryScheduled({ ...this.#event(outcome), delayMs, retryAfterMs })
    }
    call.controller.detach()
    this.#schedule(delayMs)
    return true
  }

  #schedule(delayMs: number): void {
    const call = this.#call
    // Ref'd: an unref'd timer lets the process exit with a request pending (undici #3975). A millisecond more, since
    // timers may fire one early and a provider's wait is never undercut.
    const timer = setTimeout(
      () => {
        call.waiting = undefined
        this.#attemptAgain(delayMs)
      },
      Math.min(delayMs + 1, MAX_TIMER_MS),
    )
    call.waiting = () => clearTimeout(timer)
  }

  #attemptAgain(delayMs: number): void {
    const call = this.#call
    if (call.finished) return
    call.attempt += 1
    call.attemptStartedAt = performance.now()
    call.verdict = undefined
    const next = new RetryHandler(this.#context, call, this.#options, this.#handler, delayMs)
    send(this.#context.dispatch, call, this.#options, next)
  }

  #event(outcome: Outcome): CallEvent {
    const call = this.#call
    return {
      integration: this.#context.reporter.integration,
      method: call.method,
      url: call.redactedUrl,
      attempt: call.attempt,
      statusCode: outcome.kind === 'response' ? outcome.statusCode : undefined,
      code: outcome.kind === 'error' ? outcome.code : outcome.verdict?.code,
      labels: call.labels,
    }
  }
}

function isRefusal(outcome: Outcome): boolean {
  return outcome.kind === 'error' && outcome.code === 'ERR_CIRCUIT_OPEN'
}

/** The user's word on an error, where there is one. A hook that throws in undici's callbacks would hang the call. */
function isRetryable(policy: RetryPolicy, outcome: Outcome, reporter: Reporter): boolean | undefined {
  if (outcome.kind !== 'error' || policy.isRetryableError === undefined) return undefined
  try {
    return policy.isRetryableError(outcome.error)
  } catch (error) {
    reporter.hookFailed('isRetryableError', error)
    return undefined
  }
}
