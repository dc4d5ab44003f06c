import { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import type { Delivery } from '../http/delivery.ts'
import { headerValue, isReadOnce, rereadableHeaders, withHeader } from '../http/headers.ts'
import { requestUrl } from '../http/request-url.ts'
import { redactUrl, type UrlRules } from '../http/secrets/redacted-url.ts'
import { steadyNow } from '../time/clock.ts'
import { Attempt, attemptKey, type AttemptOptions } from './attempt.ts'
import { CallBodies } from './body/call-bodies.ts'
import { attemptDone, attemptStarts, callDone, callStarts } from './call-events.ts'
import { CallFacts, nextCallId } from './call-facts.ts'
import type { CallScope } from './call-options.ts'
import type { AttemptRecord, GivenUp } from './call-record.ts'
import { type CancelHook, tellHooks, withoutHook } from './cancel-hook.ts'
import { StableController } from './controller.ts'
import type { Stoppable } from './wait.ts'

type Controller = Dispatcher.DispatchController | null | undefined

// one object for all: it costs a call a third of what options of its own would
const resourceOptions = { requireManualDestroy: true } as const

/**
 * One call: what our interceptors share about it, and the front desk before the caller's handler. It hands the caller
 * one controller at once, lets exactly one final result through, and hears an abort at any moment.
 *
 * It is an `AsyncResource`, made while the caller's async context is current: undici calls back in the context of
 * whoever opened the connection, so later attempts, hooks, logs and events are run with `runInAsyncScope`.
 */
export class Call extends AsyncResource implements Dispatcher.DispatchHandler {
  /** Our own copy of the caller's options: the layers under the first one share it and may change it. */
  readonly options: AttemptOptions
  readonly controller: StableController
  /** Per-call options: `withCallOptions`. */
  readonly scope: CallScope | undefined
  /** The label of the stack that opened it. */
  readonly integration: string
  /** The attempt in hand: the last that was made, or the one whose response is the caller's. */
  attempt: Attempt
  /** Attempts made so far; one that was refused before anything was sent is taken back. */
  attempts = 1
  /** When the call as a whole times out, `performance.now()` milliseconds. */
  deadline = Infinity
  /** A retry is above what comes now: it may make several attempts of it. */
  retried = false
  /** What the retry layer knows of `repeatable`. */
  repeatableRule: ((call: Call) => boolean) | undefined = undefined
  /** The caller aborted, or its body or handler failed: no failure of the server. */
  cancelled = false
  /**
   * The caller's own timeout (`AbortSignal.timeout`) ended it: it has its reason already, so nothing is tried again, but
   * it counts and is captured like a timeout of ours.
   */
  abandoned = false
  /** Who captures the call, and must hear of a timeout that no attempt in hand reports. */
  captor: { abandoned(reason: Error): void } | undefined = undefined
  finished = false
  readonly #handler: Dispatcher.DispatchHandler
  readonly #context = {}
  #urlRules: UrlRules | undefined
  #bodies: CallBodies | undefined = undefined
  #cancelHook: CancelHook | undefined = undefined
  #waits: Stoppable | undefined = undefined
  /** Made when there is something to put in: a healthy call has none of it. */
  #facts: CallFacts | undefined = undefined

  constructor(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
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
    this.#handler = handler
    this.#urlRules = urlRules
    this.controller = new StableController(this)
    if (isReadOnce(options.headers)) own.headers = rereadableHeaders(options.headers) as never
    if (scope?.idempotencyKey !== undefined) this.setIdempotencyKey(scope.idempotencyKey)
  }

  /** What the call was opened with: the caller's own handler, or one of an interceptor above. */
  get caller(): Dispatcher.DispatchHandler {
    return this.#handler
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
    return (this.#own.url ??= requestUrl(this.options))
  }

  /** The url as it may be logged. */
  get redactedUrl(): string {
    return (this.#own.redactedUrl ??= redactUrl(this.url, this.#urlRules))
  }

  /** What its dead letter leaves out of the url, logs, events and errors leave out too. */
  redactUrlBy(rules: UrlRules): void {
    if (this.#urlRules !== undefined) return
    this.#urlRules = rules
    if (this.#facts !== undefined) this.#facts.redactedUrl = undefined
  }

  get labels(): Record<string, string> | undefined {
    return this.scope?.labels
  }

  get orderingKey(): string | undefined {
    return this.scope?.orderingKey
  }

  /** Monotonic start, `performance.now()` milliseconds. */
  get startedAt(): number {
    return this.#facts?.startedAt ?? this.attempt.startedAt
  }

  /** The same number on all events of the call, and of no other call of this process. */
  get id(): number {
    return (this.#own.id ??= nextCallId())
  }

  /** Attempts whose failure the retry layer has seen. */
  get history(): readonly AttemptRecord[] {
    return this.#facts?.history ?? []
  }

  get givenUp(): GivenUp | undefined {
    return this.#facts?.givenUp
  }

  set givenUp(givenUp: GivenUp | undefined) {
    this.#own.givenUp = givenUp
  }

  /**
   * How long the call has waited so far for others to be ready, in milliseconds: for permits, cool-downs, recovery. Each
   * layer that lets it wait takes this off its own bound, so that their waits never add up.
   */
  get waitedMs(): number {
    return this.#facts?.waitedMs ?? 0
  }

  set waitedMs(ms: number) {
    this.#own.waitedMs = ms
  }

  get deadLetterId(): string | undefined {
    return this.#facts?.deadLetterId
  }

  set deadLetterId(id: string | undefined) {
    this.#own.deadLetterId = id
  }

  /** The value of the Idempotency-Key header, whoever set it. */
  get idempotencyKey(): string | undefined {
    return this.#facts?.idempotencyKey ?? headerValue(this.options.headers, 'idempotency-key')
  }

  get #own(): CallFacts {
    return (this.#facts ??= new CallFacts())
  }

  /**
   * Whether the request may be sent twice without its idempotency key; `undefined` where no retry layer has a say.
   * Found out when it is first asked for: it may take a hook of the user.
   */
  get repeatable(): boolean | undefined {
    return this.repeatableRule === undefined
      ? undefined
      : (this.#own.repeatable ??= this.repeatableRule(this))
  }

  /** Adds the header for all attempts, unless the caller sends one already. */
  setIdempotencyKey(key: string): void {
    if (this.idempotencyKey !== undefined) return
    this.#own.idempotencyKey = key
    this.options.headers = withHeader(this.options.headers, 'idempotency-key', key) as never
  }

  /** Tells the caller's handler that the request starts. Once, before the first attempt. */
  start(): void {
    callStarts(this)
    attemptStarts(this.attempt)
    try {
      this.#handler.onRequestStart?.(this.controller, this.#context)
    } catch (error) {
      this.cancelled = true
      this.onResponseError(null, error as Error)
    }
  }

  /** Its attempt is going to have another start than it had. */
  keepStart(): void {
    this.#own.startedAt ??= this.attempt.startedAt
  }

  /** A further attempt; it is the one in hand from now on. */
  nextAttempt(): Attempt {
    this.keepStart()
    this.attempts += 1
    const attempt = new Attempt(this, this.attempts, steadyNow())
    this.attempt = attempt
    attemptStarts(attempt)
    return attempt
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

  logAttempt(
    attempt: Attempt,
    facts: { statusCode?: number | undefined; code?: string | undefined; delivery?: Delivery | undefined },
  ): AttemptRecord {
    const record: AttemptRecord = {
      at: Math.round(performance.timeOrigin + attempt.startedAt),
      ms: Math.round(performance.now() - attempt.startedAt),
    }
    if (facts.statusCode !== undefined) record.statusCode = facts.statusCode
    if (facts.code !== undefined) record.code = facts.code
    if (facts.delivery !== undefined) record.delivery = facts.delivery
    ;(this.#own.history ??= []).push(record)
    return record
  }

  addWait(wait: Stoppable): void {
    wait.nextStoppable = this.#waits
    this.#waits = wait
  }

  removeWait(wait: Stoppable): void {
    const next = wait.nextStoppable
    wait.nextStoppable = undefined
    if (this.#waits === wait) {
      this.#waits = next
      return
    }
    let before = this.#waits
    while (before !== undefined && before.nextStoppable !== wait) before = before.nextStoppable
    if (before !== undefined) before.nextStoppable = next
  }

  /** Ends the waits that the call is in, so that no attempt follows them, and what it keeps others waiting for. */
  stopWaiting(): void {
    let wait: Stoppable | undefined
    while ((wait = this.#waits) !== undefined) {
      this.#waits = wait.nextStoppable
      wait.nextStoppable = undefined
      wait.stop()
    }
  }

  /** Tells `hook` when the caller aborts, before the attempt in hand is told: for timers, permits and leases. */
  onCancel(hook: CancelHook): void {
    hook.nextCancelHook = this.#cancelHook
    this.#cancelHook = hook
  }

  offCancel(hook: CancelHook): void {
    if (this.#cancelHook === hook) {
      this.#cancelHook = hook.nextCancelHook
      hook.nextCancelHook = undefined
    } else this.#cancelHook = withoutHook(this.#cancelHook, hook)
  }

  /** The caller aborts: what waits is told, then the attempt in hand, and the caller gets its reason at once. */
  cancel(given: Error | undefined): void {
    if (this.finished) return
    if (isTimeout(given)) this.abandoned = true
    else this.cancelled = true
    this.stopWaiting()
    const hook = this.#cancelHook
    this.#cancelHook = undefined
    tellHooks(hook)
    this.controller.attempt?.abort(given as never)
    // undici's own error for an abort without a reason, where no attempt was there to make it
    const reason = given ?? new errors.RequestAbortedError()
    if (this.abandoned) this.captor?.abandoned(reason)
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
    this.attempt.statusCode = statusCode
    this.#finish(undefined)
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
    if (statusCode >= 200) {
      // final: nothing will be sent again, so nothing need be kept while the caller reads
      this.#bodies?.forget()
      this.attempt.statusCode = statusCode
      attemptDone(this.attempt, undefined)
    }
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
    this.#finish(undefined, !Array.isArray(this.controller.rawHeaders))
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
    this.#finish(error)
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

  /** @param sendsRest HTTP/2 goes on to send a body after the response; HTTP/1.1 ends the connection. */
  #finish(error: Error | undefined, sendsRest = false): void {
    this.finished = true
    this.#cancelHook = undefined
    this.#bodies?.close(sendsRest, error)
    if (error !== undefined) attemptDone(this.attempt, error)
    callDone(this, error)
  }
}

/** `AbortSignal.timeout()` aborts with a DOMException of this name. */
function isTimeout(reason: unknown): boolean {
  return typeof reason === 'object' && reason !== null && (reason as Error).name === 'TimeoutError'
}
