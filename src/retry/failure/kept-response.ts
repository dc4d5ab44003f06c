import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'

/** All that is there of a response that is over: nothing flows any more that could be stopped. */
const ended = { aborted: false, paused: false, reason: null, abort() {}, pause() {}, resume() {} }

/** What is kept in this process over all calls, in bytes; a failure that comes beyond it is its caller's at once. */
const MAX_KEPT_BYTES = 16 * 1_024 * 1_024

let keptBytes = 0

/**
 * A failed response that may still become the caller's: the retries that it is to have wait for the budget of its
 * origin. Handed on later, it is what the server sent.
 */
export class KeptResponse {
  readonly #controller: Dispatcher.DispatchController
  readonly #statusCode: number
  readonly #headers: IncomingHttpHeaders
  readonly #statusMessage: string | undefined
  #chunks: Buffer[] = []
  #bytes = 0
  #isForgotten = false
  #trailers: IncomingHttpHeaders | undefined
  #broken: Error | undefined

  constructor(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage: string | undefined,
  ) {
    this.#controller = controller
    this.#statusCode = statusCode
    this.#headers = headers
    this.#statusMessage = statusMessage
  }

  /** @returns whether there is room for it: else it must be handed on or forgotten now */
  add(chunk: Buffer): boolean {
    if (this.#isForgotten) return true
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    keptBytes += chunk.length
    return keptBytes <= MAX_KEPT_BYTES
  }

  /** It will not be the caller's: its body, and what comes of it yet, is not kept. */
  forget(): void {
    this.#isForgotten = true
    keptBytes -= this.#bytes
    this.#bytes = 0
    this.#chunks = []
  }

  end(trailers: IncomingHttpHeaders): void {
    this.#trailers = trailers
  }

  broke(error: Error): void {
    this.#broken = error
  }

  /** What has come of it goes to the handler, and its end, where it has ended: else the rest follows by itself. */
  handOn(handler: Dispatcher.DispatchHandler): void {
    const { rawHeaders, rawTrailers } = this.#controller
    const isOver = this.#trailers !== undefined || this.#broken !== undefined
    const controller = isOver
      ? ({ ...ended, rawHeaders, rawTrailers } as Dispatcher.DispatchController)
      : this.#controller
    const chunks = this.#chunks
    this.forget()
    try {
      handler.onResponseStart?.(controller, this.#statusCode, this.#headers, this.#statusMessage)
      for (const chunk of chunks) handler.onResponseData?.(controller, chunk)
    } catch (error) {
      // nobody above us would turn a throw of the caller's handler into an error of the request
      if (isOver) handler.onResponseError?.(controller, error as Error)
      else this.#controller.abort(error as Error)
      return
    }
    if (this.#broken !== undefined) handler.onResponseError?.(controller, this.#broken)
    else if (this.#trailers !== undefined) handler.onResponseEnd?.(controller, this.#trailers)
  }
}
