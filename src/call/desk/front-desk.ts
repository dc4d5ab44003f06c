import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import type { RequestTimeoutError } from '../../errors.ts'
import { isReadOnce, rereadableHeaders } from '../../http/headers.ts'
import type { UrlRules } from '../../http/secrets/redacted-url.ts'
import { steadyNow } from '../../time/clock.ts'
import { Attempt, attemptKey, type AttemptOptions } from '../attempt.ts'
import type { CallBodies } from '../body/call-bodies.ts'
import { attemptDone, attemptStarts, callDone, callStarts } from '../call-events.ts'
import type { CallFacts } from '../call-facts.ts'
import type { CallScope } from '../call-options.ts'
import { Call } from '../call.ts'
import { type CancelHook, tellHooks } from '../cancel-hook.ts'
import type { TimeLimit } from '../time-limit.ts'
import type { Stoppable } from '../wait.ts'
import type { Captor, Capturing } from './captor.ts'
import { StableController } from './controller.ts'
import { Delivery } from './delivery.ts'

// one object for all: it costs a call a third of what options of its own would
const resourceOptions = { requireManualDestroy: true } as const

type Controller = Dispatcher.DispatchController | null | undefined

/**
 * A call as what stands before the caller's handler: it hands the caller one controller at once, lets exactly one final
 * result through, and hears an abort at any moment.
 */
export class FrontDesk extends Call implements Dispatcher.DispatchHandler {
  readonly options: AttemptOptions
  readonly caller: Dispatcher.DispatchHandler
  readonly controller: StableController
  readonly scope: CallScope | undefined
  readonly integration: string
  attempt: Attempt
  attempts = 1
  deadline = Infinity
  retried = false
  repeatableRule: ((call: Call) => boolean) | undefined = undefined
  cancelled = false
  abandoned = false
  captor: Captor | undefined = undefined
  finished = false
  protected bodies: CallBodies | undefined = undefined
  protected cancelHook: CancelHook | undefined = undefined
  protected urlRules: UrlRules | undefined
  protected waits: Stoppable | undefined = undefined
  protected facts: CallFacts | undefined = undefined
  protected timeLimit: TimeLimit | undefined = undefined
  readonly #context = {}

  constructor(
    options: Dispatcher.DispatchOptions,
    caller: Dispatcher.DispatchHandler,
    integration: string,
    scope: CallScope | undefined,
    urlRules: UrlRules | undefined,
  ) {
    super('undici-resilience.call', resourceOptions)
    // not in the literal: a computed key after a spread takes V8 three times as long
    const own: AttemptOptions = { ...options }
    const attempt = new Attempt(this, 1, steadyNow())
    own[attemptKey] = attempt
    this.attempt = attempt
    this.options = own
    this.integration = integration
    this.scope = scope
    this.caller = caller
    this.urlRules = urlRules
    this.controller = new StableController(this)
    if (isReadOnce(options.headers)) own.headers = rereadableHeaders(options.headers) as never
    scope?.keyed?.give(this)
  }

  /** Tells the caller's handler that the request starts. Once, before the first attempt. */
  start(): void {
    callStarts(this)
    attemptStarts(this.attempt)
    try {
      this.caller.onRequestStart?.(this.controller, this.#context)
    } catch (error) {
      this.cancelled = true
      this.deliverError(error as Error)
    }
  }

  /** The caller aborts: what waits is told, then the attempt in hand, and the caller gets its reason at once. */
  cancel(given: Error | undefined): void {
    if (this.finished) return
    if (isTimeout(given) && !this.cancelled) this.abandoned = true
    else this.#cancelled()
    this.stopWaiting()
    const hook = this.cancelHook
    this.cancelHook = undefined
    tellHooks(hook)
    this.controller.attempt?.abort(given as never)
    // undici's own error for an abort without a reason, where no attempt was there to make it
    const reason = given ?? new errors.RequestAbortedError()
    if (this.abandoned) this.#capturesTimeout(reason)
    this.deliverError(reason)
  }

  protected bodyFailed(error: unknown): void {
    // not what ends a call that has failed by then
    if (this.failureWaits || this.finished) return
    this.cancelled = true
    // an attempt in hand reports it; where none is, none can follow: fetch aborts by itself then
    if (this.controller.attempt === null) this.controller.abort(error as Error)
  }

  /**
   * What is under the layers ends first, so that it has settled when the caller hears of it and nothing starts after: a
   * wait between attempts, and the attempt in hand, which reports the error itself.
   */
  timeOut(error: RequestTimeoutError): void {
    if (this.finished) return
    this.deadline = 0
    this.own.timedOut = error
    this.stopWaiting()
    this.controller.attempt?.abort(error)
    const hook = this.cancelHook
    this.cancelHook = undefined
    tellHooks(hook)
    if (!this.finished && !this.#capturesTimeout(error)) this.deliverError(error)
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (this.facts?.timedOut !== undefined) {
      // a connection takes up an attempt that is already over: it must not send it
      controller.abort(this.facts.timedOut)
      return
    }
    this.attempt.started = true
    if (this.controller.attempt !== controller) this.controller.attach(controller)
    // a redirect interceptor under us hands on its history through the context
    if (typeof context === 'object' && context !== null) Object.assign(this.#context, context)
  }

  onRequestUpgrade(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.attempt.statusCode = statusCode
    this.#finish(undefined)
    if (controller) this.controller.rawHeaders = controller.rawHeaders ?? null
    this.caller.onRequestUpgrade?.(this.controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    const { captor } = this
    if (captor !== undefined && statusCode >= 200) {
      if (statusCode >= 400 || this.attempt.verdict !== undefined || captor.wantsAll) {
        this.#captures(captor)
      } else this.#answered()
    }
    const capturing = this.facts?.capturing
    if (capturing === undefined) this.deliverStart(controller, statusCode, headers, statusMessage)
    else capturing.onResponseStart(controller as never, statusCode, headers, statusMessage)
  }

  /** To the caller, after what captures. */
  deliverStart(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (this.finished) return
    if (controller) {
      if (this.controller.attempt !== controller) this.controller.attach(controller)
      this.controller.rawHeaders = controller.rawHeaders ?? null
    }
    if (statusCode >= 200) {
      // final: nothing will be sent again, so nothing need be kept while the caller reads
      this.bodies?.forget()
      this.facts?.timer?.responded()
      this.attempt.statusCode = statusCode
      attemptDone(this.attempt, undefined)
    }
    try {
      this.caller.onResponseStart?.(this.controller, statusCode, headers, statusMessage)
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    const capturing = this.facts?.capturing
    if (capturing === undefined) this.deliverData(chunk)
    else capturing.onResponseData(controller as never, chunk)
  }

  deliverData(chunk: Buffer): void {
    if (this.finished) return
    try {
      this.caller.onResponseData?.(this.controller, chunk)
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  onResponseEnd(controller: Controller, trailers: IncomingHttpHeaders): void {
    const capturing = this.facts?.capturing
    if (capturing === undefined) this.deliverEnd(controller, trailers)
    else capturing.onResponseEnd(controller as never, trailers)
  }

  deliverEnd(controller: Controller, trailers: IncomingHttpHeaders): void {
    if (this.finished) return
    this.#finish(undefined, !Array.isArray(this.controller.rawHeaders))
    if (controller) this.controller.rawTrailers = controller.rawTrailers ?? null
    try {
      this.caller.onResponseEnd?.(this.controller, trailers)
    } catch (error) {
      // undici's own retry throws here to be told of an error; the call is over, so undici would find nobody to tell
      this.cancelled = true
      this.caller.onResponseError?.(this.controller, error as Error)
    }
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.captor !== undefined) this.#captures(this.captor)
    const capturing = this.facts?.capturing
    if (capturing === undefined) this.deliverError(error)
    else capturing.onResponseError(controller as never, error)
  }

  deliverError(error: Error): void {
    if (this.finished) return
    this.#finish(error)
    this.caller.onResponseError?.(this.controller, error)
  }

  onResponseStarted(): void {
    try {
      this.caller.onResponseStarted?.()
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  onBodySent(chunk: Buffer): void {
    try {
      this.caller.onBodySent?.(chunk)
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  onRequestSent(): void {
    try {
      this.caller.onRequestSent?.()
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  #cancelled(): void {
    this.cancelled = true
    // of a failure that the caller never hears of no record is made
    if (this.failureWaits) this.deadLetterId = undefined
  }

  /** undici turns the throw into an error of the request; the layers must not take it for one of the server. */
  #blameCaller(error: unknown): never {
    this.cancelled = true
    throw error
  }

  /** Nothing that becomes of it from now on is captured. */
  #answered(): void {
    const { captor } = this
    if (captor === undefined) return
    this.captor = undefined
    captor.answered()
  }

  /** What becomes of it now goes through what captures it. */
  #captures(captor: Captor): Capturing {
    this.#answered()
    return (this.own.capturing = captor.capturing(this, new Delivery(this)))
  }

  /** A timeout ends it: whoever captures it hears of that here, for perhaps no attempt in hand reports it. */
  #capturesTimeout(reason: Error): boolean {
    if (this.captor !== undefined) this.#captures(this.captor)
    const capturing = this.facts?.capturing ?? this.facts?.captorBelow
    return capturing?.abandoned(reason) === true
  }

  /** @param sendsRest HTTP/2 goes on to send a body after the response; HTTP/1.1 ends the connection. */
  #finish(error: Error | undefined, sendsRest = false): void {
    this.finished = true
    this.#answered()
    this.cancelHook = undefined
    this.bodies?.close(sendsRest, error)
    this.facts?.timer?.clear()
    if (error !== undefined) attemptDone(this.attempt, error)
    this.scope?.keyed?.ended(this, error)
    callDone(this, error)
  }
}

/** `AbortSignal.timeout()` aborts with a DOMException of this name. */
function isTimeout(reason: unknown): boolean {
  return typeof reason === 'object' && reason !== null && (reason as Error).name === 'TimeoutError'
}
