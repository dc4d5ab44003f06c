import { Dispatcher } from 'undici'

/** An attempt as the test plays it: the server's part of undici's handler contract. */
class ScriptedAttempt {
  readonly options: Dispatcher.DispatchOptions
  readonly #handler: Dispatcher.DispatchHandler
  aborted: Error | undefined
  readonly #controller: Dispatcher.DispatchController

  constructor(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) {
    this.options = options
    this.#handler = handler
    const abort = (reason: Error): void => {
      if (this.aborted !== undefined) return
      this.aborted = reason
      // undici reports an abort of an attempt as its error
      this.#handler.onResponseError?.(this.#controller, reason)
    }
    const isAborted = (): boolean => this.aborted !== undefined
    this.#controller = {
      rawHeaders: null,
      rawTrailers: null,
      get aborted() {
        return isAborted()
      },
      get paused() {
        return false
      },
      get reason() {
        return null
      },
      abort,
      pause: () => undefined,
      resume: () => undefined,
    } as Dispatcher.DispatchController
  }

  start(): this {
    this.#handler.onRequestStart?.(this.#controller, {})
    return this
  }

  /** Headers only. */
  head(statusCode: number, headers: Record<string, string> = {}): this {
    this.#handler.onResponseStart?.(this.#controller, statusCode, headers, '')
    return this
  }

  data(chunk: Buffer): this {
    this.#handler.onResponseData?.(this.#controller, chunk)
    return this
  }

  end(): void {
    this.#handler.onResponseEnd?.(this.#controller, {})
  }

  respond(statusCode: number, headers: Record<string, string> = {}): void {
    this.start().head(statusCode, headers).end()
  }

  fail(error: Error): void {
    this.#handler.onResponseError?.(this.#controller, error)
  }
}

/** A dispatcher whose attempts the test answers by hand, or at once with `answer`. */
export class ScriptedDispatcher extends Dispatcher {
  readonly attempts: ScriptedAttempt[] = []
  answer: ((attempt: ScriptedAttempt) => void) | undefined

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const attempt = new ScriptedAttempt(options, handler)
    this.attempts.push(attempt)
    this.answer?.(attempt)
    return true
  }

  override close(): Promise<void> {
    return Promise.resolve()
  }

  override destroy(): Promise<void> {
    return Promise.resolve()
  }
}
