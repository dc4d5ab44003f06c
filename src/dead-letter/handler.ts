import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { requestOf } from '../call/call-request.ts'
import { eachHeader } from '../call/headers.ts'
import { errorOutcome, type Outcome, responseOutcome } from '../call/outcome.ts'
import { RecordedBody } from '../call/recorded-body.ts'
import { type CapturedBody, captureBody } from '../call/request-body.ts'
import { isIntegrationError } from '../errors.ts'
import { channels } from '../telemetry/channels.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { deadLetterOf, isCapturedByDefault } from './capture.ts'
import type { CaptureQueue } from './capture-queue.ts'
import { deadLetterId } from './id.ts'
import type { DeadLetterPolicy } from './options.ts'
import type { DeadLetterRecord } from './record.ts'
import { ResponseSnapshot } from './response-snapshot.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/** How long a response's record waits for the unsent rest of the request body, in milliseconds. */
const BODY_DRAIN_MS = 1000

/**
 * How long the caller's error waits for the unsent rest of the request body, in milliseconds. It must wait: once fetch
 * has failed, its body generator ends as if the body were complete, and a record made then holds an empty or cut body.
 * A body that is in memory takes a few microtasks, not milliseconds.
 */
const BODY_WAIT_MS = 50

/** What all calls of one interceptor share. */
export interface CaptureContext {
  readonly name: string
  readonly policy: DeadLetterPolicy
  readonly queue: CaptureQueue
  readonly reporter: Reporter
}

/**
 * The outermost layer. It looks only at what the caller finally gets, and hands it on first and unaltered; the record
 * is made afterwards, and nothing that goes wrong with it reaches undici or the caller.
 */
export class DeadLetterHandler implements Dispatcher.DispatchHandler {
  readonly #context: CaptureContext
  readonly #call: Call
  readonly #handler: Dispatcher.DispatchHandler
  readonly #body: unknown
  /** The attempt that a connection took up last: an error before that was surely not sent. */
  #startedAttempt = 0
  /** Final headers were handed on. */
  #answered = false
  /** The response broke after its headers. */
  #broken = false
  #snapshot: ResponseSnapshot | undefined

  constructor(context: CaptureContext, call: Call, body: unknown, handler: Dispatcher.DispatchHandler) {
    this.#context = context
    this.#call = call
    this.#body = body
    this.#handler = handler
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#startedAttempt = this.#call.attempt
    this.#handler.onRequestStart?.(controller, context)
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
    if (statusCode >= 200 && !this.#answered) {
      this.#answered = true
      const outcome = this.#wantedResponse(statusCode, headers)
      if (outcome !== undefined) {
        this.#captureResponse(outcome, controller, statusCode, headers, statusMessage)
        return
      }
    }
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#snapshot?.take(chunk)
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#handler.onResponseEnd?.(controller, trailers)
    this.#snapshot?.end(true)
  }

  onResponseError(controller: Controller, error: Error): void {
    const call = this.#call
    if (this.#answered || call.cancelled || call.finished) {
      this.#broken = true
      this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
      this.#snapshot?.end(false)
      return
    }
    const outcome = errorOutcome(error, this.#startedAttempt === call.attempt && call.attempt > 0)
    const id = this.#wants(outcome) ? this.#begin(outcome) : undefined
    if (id === undefined) {
      this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
      return
    }
    // Only an error of ours, made for this call: undici shares one Error object between requests.
    if (isIntegrationError(error)) error.deadLetterId ??= id
    if (!this.#bodyPending) {
      this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
      const body = this.#readBody(0)
      this.#record(id, outcome, undefined, () => body)
      return
    }
    void this.#readBody(BODY_WAIT_MS).then((body) => {
      if (call.cancelled || call.finished) {
        call.deadLetterId = undefined
        call.releaseBody()
        return
      }
      this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
      this.#record(id, outcome, undefined, () => Promise.resolve(body))
    })
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

  /** What the response is, where it is to be captured. */
  #wantedResponse(statusCode: number, headers: IncomingHttpHeaders): Outcome | undefined {
    const { verdict } = this.#call
    // a user's own `capture` may want any response
    if (statusCode < 400 && verdict === undefined && this.#context.policy.capture === undefined)
      return undefined
    const outcome = responseOutcome(statusCode, headers, verdict)
    return this.#wants(outcome) ? outcome : undefined
  }

  /** In a method of its own: closures and a `try` in `onResponseStart` cost every call 20 ns and more. */
  #captureResponse(
    outcome: Outcome,
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage: string | undefined,
  ): void {
    const id = this.#begin(outcome)
    const snapshot = new ResponseSnapshot(this.#context.policy.maxResponseBytes)
    this.#snapshot = snapshot
    const pending = this.#bodyPending
    try {
      this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
    } finally {
      // at once: the caller may go on to use its buffer
      const body = this.#readBody(BODY_DRAIN_MS)
      this.#record(id, outcome, snapshot, async () => {
        const captured = await body
        // an abort ends the generator of fetch like a complete body
        return pending && (this.#call.cancelled || this.#broken)
          ? { size: captured.size, complete: false, reason: 'cut-short' }
          : captured
      })
    }
  }

  #wants(outcome: Outcome): boolean {
    const { policy, reporter, queue } = this.#context
    if (!queue.open) return false
    const byDefault = isCapturedByDefault(outcome)
    if (policy.capture === undefined) return byDefault
    try {
      return policy.capture(outcome, byDefault, requestOf(this.#call))
    } catch (error) {
      reporter.hookFailed('capture', error)
      return byDefault
    }
  }

  #begin(outcome: Outcome): string {
    const call = this.#call
    const id = deadLetterId()
    call.deadLetterId = id
    call.holdBody()
    if ((call.history?.length ?? 0) < call.attempt) {
      call.logAttempt(
        outcome.kind === 'response'
          ? { statusCode: outcome.statusCode }
          : { code: outcome.code ?? outcome.error.name, delivery: outcome.delivery },
      )
    }
    return id
  }

  /** Whether some of the body has not been pulled from its source yet. */
  get #bodyPending(): boolean {
    const body = this.#body
    return body instanceof RecordedBody && !body.ended && !body.failed && !body.overflowed
  }

  #readBody(timeoutMs: number): Promise<CapturedBody> {
    return captureBody(this.#body, this.#context.policy.maxBodyBytes, timeoutMs).catch(
      () => ({ size: 0, complete: false, reason: 'source-failed' }) as const,
    )
  }

  #record(
    id: string,
    outcome: Outcome,
    snapshot: ResponseSnapshot | undefined,
    body: () => Promise<CapturedBody>,
  ): void {
    const now = Date.now()
    void this.#context.queue.capture(async () => {
      try {
        const captured = await body()
        return this.#make(id, outcome, now, captured, await snapshot?.taken)
      } finally {
        this.#call.releaseBody()
      }
    })
  }

  #make(
    id: string,
    outcome: Outcome,
    now: number,
    body: CapturedBody,
    responseBody: { bytes: Buffer; truncated: boolean } | undefined,
  ): DeadLetterRecord {
    const call = this.#call
    const { name, policy, reporter } = this.#context
    const labels = call.labels === undefined ? policy.labels : { ...policy.labels, ...call.labels }
    const record = deadLetterOf(
      {
        id,
        name,
        now,
        method: call.method,
        url: call.url,
        headers: eachHeader(call.options.headers),
        body,
        attempts: call.attempt,
        history: call.history ?? [],
        givenUp: call.givenUp,
        outcome,
        responseBody,
        repeatable: call.repeatable,
        idempotencyKey: call.idempotencyKey,
        orderingKey: call.orderingKey ?? this.#orderingKey(),
        labels,
      },
      policy.rules,
      policy.seal,
    )
    if (reporter.hears(channels.deadLetterCaptured)) {
      reporter.deadLetterCaptured({
        id,
        integration: name,
        method: record.request.method,
        url: record.request.url,
        reason: record.reason,
        delivery: record.delivery,
        attempts: call.attempt,
        statusCode: record.response?.statusCode,
        code: outcome.kind === 'error' ? outcome.code : outcome.verdict?.code,
      })
    }
    return record
  }

  #orderingKey(): string | undefined {
    const { policy, reporter } = this.#context
    try {
      return policy.orderingKey?.(requestOf(this.#call))
    } catch (error) {
      reporter.hookFailed('orderingKey', error)
      return undefined
    }
  }
}
