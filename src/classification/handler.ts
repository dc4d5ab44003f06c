import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import { requestOf } from '../call/call-request.ts'
import type { Verdict } from '../http/outcome.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { checkedVerdict } from './checked-verdict.ts'
import { decodeBodyStart } from './decode.ts'
import type { ClassificationPolicy, ClassifiedResponse, Classify } from './options.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/** A body that ends later than this is classified by what has come of it, in milliseconds. */
const maxHoldMs = 1_000

interface Held {
  readonly controller: Dispatcher.DispatchController
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  readonly statusMessage: string | undefined
  readonly chunks: Buffer[]
  bytes: number
  readonly timer: NodeJS.Timeout
  readonly release: () => void
}

/**
 * Puts the verdict on the call before the layers above see the response. Where the hook needs the body, the response is
 * held until its first bytes are there, then handed on whole.
 *
 * The methods that only pass on stand in every handler: a shared base class costs a call more than the repetition
 * (`call/layer.ts`).
 */
export class ClassificationHandler implements Dispatcher.DispatchHandler {
  readonly #attempt: Attempt
  readonly #handler: Dispatcher.DispatchHandler
  readonly #policy: ClassificationPolicy
  readonly #reporter: Reporter
  #held: Held | undefined

  constructor(
    attempt: Attempt,
    handler: Dispatcher.DispatchHandler,
    policy: ClassificationPolicy,
    reporter: Reporter,
  ) {
    this.#attempt = attempt
    this.#handler = handler
    this.#policy = policy
    this.#reporter = reporter
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
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
    if (
      statusCode >= 200 &&
      this.#policy.inspectBody.statusCodes.has(statusCode) &&
      this.#attempt.call.method !== 'HEAD'
    ) {
      this.#hold(controller, statusCode, headers, statusMessage)
      return
    }
    if (statusCode >= 200) this.#classify(statusCode, headers, undefined)
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const held = this.#held
    if (held === undefined) {
      this.#handler.onResponseData?.(controller, chunk)
      return
    }
    held.chunks.push(chunk)
    held.bytes += chunk.length
    if (held.bytes >= this.#policy.inspectBody.maxBytes) this.#release()
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#release()
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    // A body that breaks while it is held: the status is known, so the layers above are told it, then that it broke.
    if (this.#attempt.call.cancelled) this.#drop()
    else {
      try {
        this.#release()
      } catch (failure) {
        // thrown here, in undici's last callback, it would reach nobody
        error = failure as Error
      }
    }
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

  #hold(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage: string | undefined,
  ): void {
    const release = (): void => {
      try {
        this.#release()
      } catch (error) {
        // in a timer nobody else would turn a throw of the caller's handler into an error of the request
        controller.abort(error as Error)
      }
    }
    const timer = setTimeout(release, maxHoldMs)
    this.#held = { controller, statusCode, headers, statusMessage, chunks: [], bytes: 0, timer, release }
  }

  #drop(): Held | undefined {
    const held = this.#held
    if (held === undefined) return undefined
    this.#held = undefined
    clearTimeout(held.timer)
    return held
  }

  #release(): void {
    const held = this.#drop()
    if (held === undefined) return
    const { controller, statusCode, headers, statusMessage, chunks } = held
    const start = Buffer.concat(chunks).subarray(0, this.#policy.inspectBody.maxBytes)
    this.#classify(statusCode, headers, decodeBodyStart(start, headers['content-encoding']))
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
    for (const chunk of chunks) this.#handler.onResponseData?.(controller, chunk)
  }

  /** In the caller's async context, not in that of whoever opened the connection. */
  #classify(statusCode: number, headers: IncomingHttpHeaders, body: string | undefined): void {
    this.#attempt.call.runInAsyncScope(this.#ask, this, statusCode, headers, body)
  }

  #ask(statusCode: number, headers: IncomingHttpHeaders, body: string | undefined): void {
    const attempt = this.#attempt
    const response = { statusCode, headers, body, request: requestOf(attempt.call) }
    // the hook's failure is not the call's: the status decides
    const verdict = this.#reporter.guard('classify', undefined, verdictOf, this.#policy.classify, response)
    // of two such layers the one that has something to say
    attempt.verdict = verdict ?? attempt.verdict
  }
}

function verdictOf(classify: Classify, response: ClassifiedResponse): Verdict | undefined {
  return checkedVerdict(classify(response))
}
