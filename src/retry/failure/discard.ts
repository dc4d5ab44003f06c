import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { KeptResponse } from './kept-response.ts'

/** More than this of a failed response is not worth a kept connection, in bytes. */
const maxDrainBytes = 65_536
/** Nor is a longer wait for its end, in milliseconds. */
const maxDrainMs = 1_000

/** Whether a failed response is known to be longer than what is read of one. */
export function isTooLongToDrain(headers: IncomingHttpHeaders): boolean {
  return Number(headers['content-length'] ?? 0) > maxDrainBytes
}

/**
 * What is left of an attempt that failed: its response is read to the end while that is cheap, so that the connection
 * can be used again, else cut off. Nobody waits for it; or somebody may, and it is kept.
 */
export class Discard {
  /** What has come, where it may still become the caller's. */
  readonly kept: KeptResponse | undefined
  readonly #takeOver: (() => boolean) | undefined
  #controller: Dispatcher.DispatchController | undefined
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  /** @param takeOver asked before what is kept is cut off: whether the caller gets it, and the rest of it, now */
  constructor(kept?: KeptResponse, takeOver?: () => boolean) {
    this.kept = kept
    this.#takeOver = takeOver
  }

  /**
   * Begins with a response. Not in the constructor: cutting off reports back at once, and must find the attempt
   * discarded.
   * @param sending the request's body is still being sent: the next attempt takes it over, so this one cannot end well
   */
  begin(controller: Dispatcher.DispatchController, headers: IncomingHttpHeaders, sending: boolean): void {
    this.#controller = controller
    if (sending || isTooLongToDrain(headers)) {
      this.#cut()
      return
    }
    this.#timer = setTimeout(() => this.#cut(), maxDrainMs).unref()
    // the caller may have paused the attempt before: a drain is never paused
    controller.resume()
  }

  /** A connection takes up an attempt that is already over: it must not send it. */
  take(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#cut()
  }

  data(chunk: Buffer): void {
    this.#bytes += chunk.length
    const fits = this.kept?.add(chunk) ?? true
    if (this.#bytes > maxDrainBytes || !fits) this.#cut()
  }

  end(trailers: IncomingHttpHeaders): void {
    this.#over()
    this.kept?.end(trailers)
  }

  broke(error: Error): void {
    this.#over()
    this.kept?.broke(error)
  }

  #over(): void {
    clearTimeout(this.#timer)
    this.#controller = undefined
  }

  #cut(): void {
    const controller = this.#controller
    this.#over()
    if (controller === undefined || this.#takeOver?.() === true) return
    // an abort to the layers below too: what was recorded of the attempt stands
    controller.abort(new DOMException('the response of a failed attempt is not read further', 'AbortError'))
  }
}
