import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { requestOf } from '../call/call-request.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import { checkedVerdict } from './checked-verdict.ts'
import { decodeBodyStart } from './decode.ts'
import type { ClassificationPolicy } from './options.ts'

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
 */
export class ClassificationHandler implements Dispatcher.DispatchHandler {
  readonly #call: Call
  readonly #handler: Dispatcher.DispatchHandler
  readonly #policy: ClassificationPolicy
  readonly #reporter: Reporter
  #held: Held | undefined

  constructor(
    call: Call,
    handler: Dispatcher.DispatchHandler,
    policy: ClassificationPolicy,
    reporter: Reporter,
  ) {
    this.#call = call
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
    if (statusCode >= 200 && this.#policy.inspected.has(statusCode) && this.#call.method !== 'HEAD') {
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
    if (held.bytes >= this.#policy.maxBytes) this.#release()
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#release()
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    // A body that breaks while it is held: the status is known, so the layers above are told it, then that it broke.
    if (this.#call.cancelled) this.#drop()
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
    const start = Buffer.concat(chunks).subarray(0, this.#policy.maxBytes)
    this.#classify(statusCode, headers, decodeBodyStart(start, headers['content-encoding']))
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
    for (const chunk of chunks) this.#handler.onResponseData?.(controller, chunk)
  }

  #classify(statusCode: number, headers: IncomingHttpHeaders, body: string | undefined): void {
    const call = this.#call
    try {
      call.verdict = checkedVerdict(
        this.#policy.classify({ statusCode, headers, body, request: requestOf(call) }),
      )
    } catch (error) {
      // the hook's failure is not the call's: the status decides
      call.verdict = undefined
      this.#reporter.hookFailed('classify', error)
    }
  }
}
