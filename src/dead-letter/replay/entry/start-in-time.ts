import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../../../call/attempt.ts'

/** Nothing was sent: the time in which nobody else sends the entry is over. */
export class ReplayTooLateError extends Error {
  override readonly name = 'ReplayTooLateError'
  readonly code = 'ERR_REPLAY_TOO_LATE'

  constructor() {
    super('the time to send it was over before a connection took it up')
  }
}

/**
 * Lets a request be written only until `latest`. A process that stood still while it waited for a connection, and whose
 * lease has lapsed meanwhile, hears of the connection before it hears of its timers: it would send what another process
 * has sent already.
 *
 * The methods that only pass on stand in every handler: see `call/layer.ts`.
 */
export class StartInTimeHandler implements Dispatcher.DispatchHandler {
  readonly #attempt: Attempt
  readonly #handler: Dispatcher.DispatchHandler
  readonly #latest: number
  readonly #failed: () => void

  /**
   * @param latest `performance.now()` milliseconds
   * @param failed told before the handler is told of an error
   */
  constructor(attempt: Attempt, handler: Dispatcher.DispatchHandler, latest: number, failed: () => void) {
    this.#attempt = attempt
    this.#handler = handler
    this.#latest = latest
    this.#failed = failed
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (performance.now() > this.#latest) {
      controller.abort(new ReplayTooLateError())
      return
    }
    this.#attempt.started = true
    this.#handler.onRequestStart?.(controller, context)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#failed()
    this.#handler.onResponseError?.(controller, error)
  }
}
