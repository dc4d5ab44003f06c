import type { Dispatcher } from 'undici'
import type { RecordedBody } from './recorded-body.ts'
import { isRereadableAsGiven, makeRereadable } from './request-body.ts'

/** The one-shot bodies of a call. Usually one; more where an interceptor between two of our layers changes the body. */
export class CallBodies {
  /** Of the request as a record of the call holds it. */
  toCapture: unknown
  readonly #recorded: RecordedBody[] = []
  #held = false
  #sendsRest = false
  #reason: Error | undefined

  /**
   * Puts a body that can be sent again into `options`, kept up to `bytes`, unless there is one already.
   * @param copy gives the options that may be changed
   */
  record(
    options: Dispatcher.DispatchOptions,
    bytes: number,
    copy: () => Dispatcher.DispatchOptions,
    onSourceError: (error: unknown) => void,
  ): Dispatcher.DispatchOptions {
    let body = this.#recorded.find((known) => known === (options.body as unknown))
    if (body === undefined) {
      if (isRereadableAsGiven(options.body)) return options
      options = copy()
      body = makeRereadable(options, onSourceError)
      if (body === undefined) return options
      this.#recorded.push(body)
    }
    if (bytes > body.limit) body.limit = bytes
    return options
  }

  /** Keeps recordings and sources, also after the end of the call, until `release`. */
  hold(): void {
    this.#held = true
  }

  release(callIsOver: boolean): void {
    this.#held = false
    if (callIsOver) this.close()
  }

  /** Nothing will be sent again: frees the recordings, unless they are held. */
  forget(): void {
    if (!this.#held) for (const body of this.#recorded) body.forget()
  }

  /**
   * The call is over: ends the sources, unless they are held.
   * @param sendsRest the attempt in hand may go on to send its body although the response is complete: HTTP/2
   * @param reason the error that ended the call
   */
  close(sendsRest = this.#sendsRest, reason = this.#reason): void {
    this.#sendsRest = sendsRest
    this.#reason = reason
    if (this.#held) return
    for (const body of this.#recorded) {
      if (sendsRest) body.closeWhenSent()
      else body.close(reason)
    }
  }
}
