import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { CallBodies } from './call-bodies.ts'
import { type CallScope, currentCallScope } from './call-options.ts'
import { StableController } from './controller.ts'
import { headerValue, repeatableHeaders, withHeader } from './headers.ts'
import type { AttemptRecord, GivenUp } from './call-record.ts'
import type { Delivery, Verdict } from './outcome.ts'
import { redactUrl } from './redacted-url.ts'
import { requestUrl } from './request-url.ts'

type Controller = Dispatcher.DispatchController | null | undefined

export const callKey: unique symbol = Symbol('undici-resilience.call')

/** Dispatch options that carry the call. */
export type CallDispatchOptions = Dispatcher.DispatchOptions & { [callKey]?: Call }

/**
 * One call: what our interceptors share about it, and the front desk before the caller's handler. It hands the caller
 * one controller at once, lets exactly one final result through, and hears an abort at any moment.
 */
export class Call implements Dispatcher.DispatchHandler {
  /** Our own copy of the caller's options: the layers under the first one share it and may change it. */
  readonly options: CallDispatchOptions
  readonly controller: StableController
  /** Per-call options: `withCallOptions`. */
  readonly scope: CallScope | undefined
  /** Monotonic start of the attempt in hand, `performance.now()` milliseconds. */
  attemptStartedAt: number
  /** Number of the attempt in hand, and when the call is over the number of attempts made; 0 if none was let through. */
  attempt = 1
  /** Attempts whose failure the retry layer has seen; made when there is something to put in. */
  history: AttemptRecord[] | undefined
  /** What the `classify` hook said of the attempt in hand. */
  verdict: Verdict | undefined
  /** When the call as a whole times out, `performance.now()` milliseconds. */
  deadline = Infinity
  /** A retry is above what comes now: it may make several attempts of it. */
  retried = false
  /** Ends the wait that the call is in, a backoff for example; there is at most one. */
  waiting: (() => void) | undefined
  givenUp: GivenUp | undefined
  /** The retry layer found that the request may be sent twice: by its method, its key, or the user's word. */
  repeatable = false
  /** The caller aborted, or its body or handler failed: no failure of the server. */
  cancelled = false
  finished = false
  /** What an interceptor or the dispatcher threw at once: it says nothing of the server. */
  thrown: unknown
  deadLetterId: string | undefined
  #idempotencyKey: string | undefined
  readonly #handler: Dispatcher.DispatchHandler
  readonly #context = {}
  #bodies: CallBodies | undefined
  #url: string | undefined
  #cancelHooks: (() => void)[] | undefined

  constructor(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) {
    // not in the literal: a computed key after a spread takes V8 three times as long
    const own: CallDispatchOptions = { ...options }
    own[callKey] = this
    this.options = own
    const headers = repeatableHeaders(options.headers)
    if (headers !== options.headers) this.options.headers = headers as never
    this.#handler = handler
    this.controller = new StableController(this)
    this.attemptStartedAt = performance.now()
    this.scope = currentCallScope()
    if (this.scope?.idempotencyKey !== undefined) this.setIdempotencyKey(this.scope.idempotencyKey)
  }

  get method(): string {
    return this.options.method
  }

  get origin(): string {
    const { origin } = this.options
    return typeof origin === 'string' ? origin : (origin?.origin ?? '')
  }

  /** The whole url as it was asked for; it may hold secrets. */
  get url(): string {
    return (this.#url ??= requestUrl(this.options))
  }

  /** The url as it may be logged. */
  get redactedUrl(): string {
    return redactUrl(this.url)
  }

  get labels(): Record<string, string> | undefined {
    return this.scope?.labels
  }

  get orderingKey(): string | undefined {
    return this.scope?.orderingKey
  }

  /** The value of the Idempotency-Key header, whoever set it. */
  get idempotencyKey(): string | undefined {
    return (this.#idempotencyKey ??= headerValue(this.options.headers, 'idempotency-key'))
  }

  /** Adds the header for all attempts, unless the caller sends one already. */
  setIdempotencyKey(key: string): void {
    if (this.idempotencyKey !== undefined) return
    this.#idempotencyKey = key
    this.options.headers = withHeader(this.options.headers, 'idempotency-key', key) as never
  }

  /** Tells the caller's handler that the request starts. Once, before the first attempt. */
  start(): void {
    try {
      this.#handler.onRequestStart?.(this.controller, this.#context)
    } catch (error) {
      this.cancelled = true
      this.onResponseError(null, error as Error)
    }
  }

  /**
   * The options with a body that can be sent again, kept up to `bytes`. To be called by each layer that sends the body
   * again or keeps it, with the options that it was given: an interceptor between may have put another body in.
   */
  recordUpTo(options: Dispatcher.DispatchOptions, bytes: number): Dispatcher.DispatchOptions {
    return options.body === null || options.body === undefined ? options : this.#recordBody(options, bytes)
  }

  /** Apart from its caller, which every call goes through: closures cost it even where they are not reached. */
  #recordBody(options: Dispatcher.DispatchOptions, bytes: number): Dispatcher.DispatchOptions {
    this.#bodies ??= new CallBodies()
    return this.#bodies.record(
      options,
      bytes,
      () => (options === this.options ? this.options : { ...options }),
      () => (this.cancelled = true),
    )
  }

  /** Keeps the bodies' sources open after the end of the call, until `releaseBody`: a record may need the rest. */
  holdBody(): void {
    this.#bodies?.hold()
  }

  releaseBody(): void {
    this.#bodies?.release(this.finished)
  }

  /** Takes back the attempt in hand: it was refused before anything was sent. */
  refused(): void {
    this.attempt -= 1
  }

  logAttempt(facts: {
    statusCode?: number | undefined
    code?: string | undefined
    delivery?: Delivery | undefined
  }): void {
    const now = performance.now()
    const record: AttemptRecord = {
      at: Math.round(performance.timeOrigin + this.attemptStartedAt),
      ms: Math.round(now - this.attemptStartedAt),
    }
    if (facts.statusCode !== undefined) record.statusCode = facts.statusCode
    if (facts.code !== undefined) record.code = facts.code
    if (facts.delivery !== undefined) record.delivery = facts.delivery
    ;(this.history ??= []).push(record)
  }

  /** Ends the wait that the call is in, so that no attempt follows it. */
  stopWaiting(): void {
    const stop = this.waiting
    this.waiting = undefined
    stop?.()
  }

  /** Runs `hook` when the caller aborts, before the attempt in hand is told: for timers, permits and leases. */
  onCancel(hook: () => void): void {
    ;(this.#cancelHooks ??= []).push(hook)
  }

  offCancel(hook: () => void): void {
    const at = this.#cancelHooks?.indexOf(hook) ?? -1
    if (at !== -1) this.#cancelHooks?.splice(at, 1)
  }

  /** The caller aborts: what waits is told, then the attempt in hand, and the caller gets its reason at once. */
  cancel(reason: Error): void {
    if (this.finished) return
    this.cancelled = true
    this.stopWaiting()
    const hooks = this.#cancelHooks
    this.#cancelHooks = undefined
    if (hooks !== undefined) for (const hook of hooks) hook()
    this.controller.attempt?.abort(reason)
    this.onResponseError(this.controller.attempt, reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
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
    this.#finish()
    if (controller) this.controller.rawHeaders = controller.rawHeaders ?? null
    this.#handler.onRequestUpgrade?.(this.controller, statusCode, headers, socket)
  }

  onResponseStart(
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
    // final: nothing will be sent again, so nothing need be kept while the caller reads
    if (statusCode >= 200) this.#bodies?.forget()
    try {
      this.#handler.onResponseStart?.(this.controller, statusCode, headers, statusMessage)
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    if (this.finished) return
    try {
      this.#handler.onResponseData?.(this.controller, chunk)
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  onResponseEnd(controller: Controller, trailers: IncomingHttpHeaders): void {
    if (this.finished) return
    this.#finish()
    if (controller) this.controller.rawTrailers = controller.rawTrailers ?? null
    try {
      this.#handler.onResponseEnd?.(this.controller, trailers)
    } catch (error) {
      // undici's own retry throws here to be told of an error; the call is over, so undici would find nobody to tell
      this.cancelled = true
      this.#handler.onResponseError?.(this.controller, error as Error)
    }
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.finished) return
    this.#finish()
    this.#handler.onResponseError?.(this.controller, error)
  }

  onResponseStarted(): void {
    try {
      this.#handler.onResponseStarted?.()
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  onBodySent(chunk: Buffer): void {
    try {
      this.#handler.onBodySent?.(chunk)
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  onRequestSent(): void {
    try {
      this.#handler.onRequestSent?.()
    } catch (error) {
      this.#blameCaller(error)
    }
  }

  /** undici turns the throw into an error of the request; the layers must not take it for one of the server. */
  #blameCaller(error: unknown): never {
    this.cancelled = true
    throw error
  }

  #finish(): void {
    this.finished = true
    this.#cancelHooks = undefined
    this.#bodies?.close()
  }
}
