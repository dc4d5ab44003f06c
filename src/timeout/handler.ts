import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { RequestTimeoutError } from '../errors.ts'

type Controller = Dispatcher.DispatchController | null | undefined

export interface TimeoutPolicy {
  readonly ms: number
  readonly scope: 'attempt' | 'call' | undefined
  readonly untilEnd: boolean
  readonly name: string
}

/** Lives through one attempt, or through the whole call where no retry is above it. */
export class TimeoutHandler implements Dispatcher.DispatchHandler {
  readonly #call: Call
  readonly #handler: Dispatcher.DispatchHandler
  readonly #policy: TimeoutPolicy
  readonly #scope: 'attempt' | 'call'
  #timer: NodeJS.Timeout | undefined
  #controller: Dispatcher.DispatchController | undefined
  #error: RequestTimeoutError | undefined

  constructor(call: Call, handler: Dispatcher.DispatchHandler, policy: TimeoutPolicy) {
    this.#call = call
    this.#handler = handler
    this.#policy = policy
    this.#scope = policy.scope ?? (call.retried ? 'attempt' : 'call')
    if (this.#scope === 'call') call.deadline = Math.min(call.deadline, performance.now() + policy.ms)
    this.#timer = setTimeout(this.#expire, policy.ms)
    call.onCancel(this.#stop)
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (this.#error !== undefined) {
      // a connection takes up an attempt that is already over: it must not send it
      controller.abort(this.#error)
      return
    }
    this.#controller = controller
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#end()
    this.#handler.onRequestUpgrade?.(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (this.#error !== undefined) return
    this.#controller = controller
    if (!this.#policy.untilEnd && statusCode >= 200) this.#end()
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#error === undefined) this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#error !== undefined) return
    this.#end()
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#error !== undefined) return
    this.#end()
    this.#handler.onResponseError?.(controller as Dispatcher.DispatchController, error)
  }

  onResponseStarted(): void {
    if (this.#error === undefined) this.#handler.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    if (this.#error === undefined) this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    if (this.#error === undefined) this.#handler.onRequestSent?.()
  }

  readonly #stop = (): void => clearTimeout(this.#timer)

  #end(): void {
    clearTimeout(this.#timer)
    this.#call.offCancel(this.#stop)
  }

  readonly #expire = (): void => {
    const call = this.#call
    const { ms, name } = this.#policy
    call.offCancel(this.#stop)
    const what = this.#scope === 'call' ? 'the call' : `attempt ${call.attempt}`
    this.#error = new RequestTimeoutError(`${what} took longer than ${ms} ms`, {
      scope: this.#scope,
      timeoutMs: ms,
      integration: name,
      method: call.method,
      url: call.redactedUrl,
      attempts: call.attempt,
    })
    // What is under this layer first, so that it has settled when the caller hears of it and nothing starts after:
    // a wait between attempts, and the attempt in hand, whose report is not let through.
    if (this.#scope === 'call') call.deadline = 0
    call.stopWaiting()
    this.#controller?.abort(this.#error)
    this.#handler.onResponseError?.(this.#controller as Dispatcher.DispatchController, this.#error)
  }
}
