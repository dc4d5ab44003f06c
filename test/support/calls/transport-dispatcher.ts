import { Dispatcher, errors } from 'undici'

/**
 * A request as undici's client for HTTP/1 lives through it, the server played by the test: its body is read from the start,
 * an abort is an error at once, and so is what a callback of the handler throws. Nothing comes after its end.
 */
export class TransportRequest {
  readonly #options: Dispatcher.DispatchOptions
  readonly #handler: Dispatcher.DispatchHandler
  readonly #controller: Dispatcher.DispatchController
  #started = false
  #answered = false
  #over = false

  constructor(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) {
    this.#options = options
    this.#handler = handler
    let paused = false
    const isOver = (): boolean => this.#over
    this.#controller = {
      rawHeaders: null,
      rawTrailers: null,
      reason: null,
      get aborted() {
        return isOver()
      },
      get paused() {
        return paused
      },
      pause: () => void (paused = true),
      resume: () => void (paused = false),
      abort: (reason) => this.fail((reason as Error | undefined) ?? new errors.RequestAbortedError()),
    }
  }

  /** A connection takes it up. */
  start(): void {
    if (this.#started || this.#over) return
    this.#started = true
    this.#tell(() => this.#handler.onRequestStart?.(this.#controller, {}))
    if (!this.#over) void this.#sendBody()
  }

  head(statusCode: number): void {
    if (!this.#started || this.#answered || this.#over) return
    this.#answered = statusCode >= 200
    this.#tell(() => this.#handler.onResponseStart?.(this.#controller, statusCode, {}, ''))
  }

  data(): void {
    if (!this.#answered || this.#over) return
    this.#tell(() => this.#handler.onResponseData?.(this.#controller, Buffer.from('data')))
  }

  end(): void {
    if (!this.#answered || this.#over) return
    this.#over = true
    try {
      this.#handler.onResponseEnd?.(this.#controller, {})
    } catch (error) {
      this.#handler.onResponseError?.(this.#controller, error as Error)
    }
  }

  fail(error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#handler.onResponseError?.(this.#controller, error)
  }

  #tell(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.fail(error as Error)
    }
  }

  async #sendBody(): Promise<void> {
    const { body } = this.#options
    if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)) return
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        if (this.#over) return
        this.#handler.onBodySent?.(chunk)
      }
    } catch (error) {
      this.fail(error as Error)
    }
  }
}

/** A dispatcher of such requests. */
export class TransportDispatcher extends Dispatcher {
  /** The last that was dispatched. */
  sent: TransportRequest | undefined

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.sent = new TransportRequest(options, handler)
    return true
  }

  override close(): Promise<void> {
    return Promise.resolve()
  }

  override destroy(): Promise<void> {
    return Promise.resolve()
  }
}
