import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { CapturedBody } from '../call/body/request-body.ts'
import { attemptDone } from '../call/call-events.ts'
import type { Call } from '../call/call.ts'
import type { CancelHook } from '../call/cancel-hook.ts'
import type { Capturing } from '../call/desk/captor.ts'
import { isHeldBack } from '../call/line/held-back.ts'
import { isIntegrationError, throwApart } from '../errors.ts'
import { errorOutcome, type ResponseOutcome, responseOutcome } from '../http/outcome.ts'
import {
  beginCapture,
  type CallCapture,
  type CaptureContext,
  isWanted,
  tellNoRoom,
} from './capture/call-capture.ts'
import type { CallsUnderWay } from './capture/calls-under-way.ts'
import { ResponseSnapshot } from './capture/response-snapshot.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/** How long a response's record waits for the unsent rest of the request body, in milliseconds. */
const BODY_DRAIN_MS = 1000

/**
 * How long the caller's error waits for the unsent rest of the request body, in milliseconds. It must wait: once fetch
 * has failed, its body generator ends as if the body were complete, and a record made then holds an empty or cut body.
 * A body that is in memory takes a few microtasks, not milliseconds.
 */
const BODY_WAIT_MS = 50

/**
 * Looks only at what the caller finally gets, and hands it on first and unaltered; the record is made afterwards, and
 * nothing that goes wrong with it reaches undici or the caller. The front desk asks for one when a call fails; where
 * dead letters are not the outermost layer, each call has one from its start: `DeadLetterHandler.ofCall`.
 *
 * The methods that only pass on stand in every handler: a shared base class costs a call more than the repetition
 * (`call/layer.ts`).
 */
export class DeadLetterHandler implements Capturing, Dispatcher.DispatchHandler, CancelHook {
  nextCancelHook: CancelHook | undefined = undefined
  readonly #context: CaptureContext
  readonly #call: Call
  readonly #handler: Dispatcher.DispatchHandler
  readonly #body: unknown
  /** Where the call is counted while it has no final answer. */
  #underWay: CallsUnderWay | undefined
  /** Other interceptors of ours stand above. */
  #isBelow = false
  /** Final headers were handed on. */
  #answered = false
  /** A record of the failure is made: the caller has its error, or gets it now. Nothing else is let through. */
  #captured = false
  /** Of an error that waits for the rest of the request body. */
  #waiting: CallCapture | undefined
  /** The response broke after its headers. */
  #broken = false
  #snapshot: ResponseSnapshot | undefined

  constructor(context: CaptureContext, call: Call, body: unknown, handler: Dispatcher.DispatchHandler) {
    this.#context = context
    this.#call = call
    this.#body = body
    this.#handler = handler
  }

  /** Of a call that has just begun. */
  static ofCall(...given: ConstructorParameters<typeof DeadLetterHandler>): DeadLetterHandler {
    const [{ underWay }, call] = given
    const handler = new DeadLetterHandler(...given)
    handler.#isBelow = true
    handler.#underWay = underWay
    underWay.began()
    call.captureBelow(handler)
    call.onCancel(handler)
    return handler
  }

  /** The caller aborts, or the time of the call is over: out of a wait nothing else comes here. */
  cancelled(): void {
    this.#over()
  }

  #over(): void {
    this.#underWay?.ended()
    this.#underWay = undefined
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#call.attempt.started = true
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#over()
    this.#handler.onRequestUpgrade?.(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (statusCode >= 200 && !this.#answered) {
      if (this.#captured) return
      this.#answered = true
      this.#over()
      const { verdict } = this.#call.attempt
      // a user's own `capture` may want any response
      if (statusCode >= 400 || verdict !== undefined || this.#context.policy.capture !== undefined) {
        const outcome = responseOutcome(statusCode, headers, verdict)
        this.#call.runInAsyncScope(this.#responded, this, outcome, controller, statusMessage)
        return
      }
    }
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#captured) return
    this.#snapshot?.take(chunk)
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#captured) return
    this.#handler.onResponseEnd?.(controller, trailers)
    this.#snapshot?.end(true)
  }

  onResponseError(controller: Controller, error: Error): void {
    this.#over()
    if (this.#captured) return
    const call = this.#call
    if (this.#isBelow && isHeldBack(error)) {
      // for a layer above: nothing was sent, and it comes through here again
      this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
      return
    }
    if (this.#answered || call.cancelled || call.finished) {
      this.#broken = true
      this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
      this.#snapshot?.end(false)
      return
    }
    const { started, fresh } = call.attempt
    call.runInAsyncScope(this.#failed, this, controller, error, started, fresh)
  }

  abandoned(reason: Error): boolean {
    const call = this.#call
    // what was handed on before may have been the failure of an attempt, where a retry is above
    if (this.#captured) {
      // the caller whose own timeout it is hears no more of this call
      if (call.abandoned) this.#waiting?.announce()
      return this.#waiting !== undefined
    }
    if (this.#answered || call.finished) return false
    call.runInAsyncScope(this.#failed, this, null, reason, false, false)
    return true
  }

  /** In the caller's async context, as everything that hooks, logs and events hear of. */
  #failed(controller: Controller, error: Error, started: boolean, atOnce: boolean): void {
    const call = this.#call
    const context = this.#context
    const outcome = errorOutcome(error, started, atOnce)
    if (call.abandoned) call.givenUp ??= { reason: 'deadline' }
    const wanted = isWanted(context, call, outcome)
    const capture = wanted ? beginCapture(context, call, this.#body, outcome) : undefined
    if (capture === undefined) {
      try {
        this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
      } finally {
        if (wanted) tellNoRoom(context, call, outcome)
      }
      return
    }
    // Only an error of ours, made for this call: undici shares one Error object between requests.
    if (isIntegrationError(error)) error.deadLetterId ??= capture.id
    this.#captured = true
    const pending = capture.bodyPending
    const reading = capture.readBody(BODY_WAIT_MS)
    // a caller whose own timeout ended the call has its reason already
    if (!pending || call.abandoned) {
      capture.announce()
      try {
        this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
      } finally {
        capture.record(reading)
      }
      return
    }
    this.#waiting = capture
    call.failureWaits = true
    attemptDone(call.attempt, error)
    // queued at once, as being made: `close` waits for it
    capture.record(
      reading.then((body) => {
        this.#waiting = undefined
        call.failureWaits = false
        if (call.finished && call.cancelled) return undefined
        capture.announce()
        // a timeout of the caller ended it, and with it the generator of fetch, as if the body were complete
        if (call.finished) return cutShort(body)
        try {
          this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
        } catch (failure) {
          throwApart(failure)
        }
        return body
      }),
    )
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

  /** In a method of its own: closures and a `try` in `onResponseStart` cost every call 20 ns and more. */
  #responded(
    outcome: ResponseOutcome,
    controller: Dispatcher.DispatchController,
    statusMessage: string | undefined,
  ): void {
    const { statusCode, headers } = outcome
    const call = this.#call
    const context = this.#context
    const wanted = isWanted(context, call, outcome)
    const capture = wanted ? beginCapture(context, call, this.#body, outcome) : undefined
    if (capture === undefined) {
      try {
        this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
      } finally {
        if (wanted) tellNoRoom(context, call, outcome)
      }
      return
    }
    capture.announce()
    const snapshot = new ResponseSnapshot(context.policy.maxResponseBytes)
    this.#snapshot = snapshot
    const pending = capture.bodyPending
    try {
      this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
    } finally {
      // at once: the caller may go on to use its buffer
      const reading = capture.readBody(BODY_DRAIN_MS).then((body) =>
        // an abort ends the generator of fetch like a complete body
        pending && (call.cancelled || this.#broken) ? cutShort(body) : body,
      )
      capture.record(reading, snapshot)
    }
  }
}

function cutShort({ size }: CapturedBody): CapturedBody {
  return { size, complete: false, reason: 'cut-short' }
}
