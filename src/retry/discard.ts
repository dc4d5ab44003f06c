import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'

/** More than this of a failed response is not worth a kept connection, in bytes. */
const maxDrainBytes = 65_536
/** Nor is a longer wait for its end, in milliseconds. */
const maxDrainMs = 1_000

/**
 * What is left of an attempt that failed: its response is read to the end while that is cheap, so that the connection
 * can be used again, else cut off. Nobody waits for it.
 */
export class Discard {
  #controller: Dispatcher.DispatchController | undefined
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * Begins with a response. Not in the constructor: cutting off reports back at once, and must find the attempt
   * discarded.
   * @param sending the request's body is still being sent: the next attempt takes it over, so this one cannot end well
   */
  begin(controller: Dispatcher.DispatchController, headers: IncomingHttpHeaders, sending: boolean): void {
    this.#controller = controller
    if (sending || Number(headers['content-length'] ?? 0) > maxDrainBytes) {
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
    if (this.#bytes > maxDrainBytes) this.#cut()
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#controller = undefined
  }

  #cut(): void {
    const controller = this.#controller
    this.end()
    // an abort to the layers below too: what was recorded of the attempt stands
    controller?.abort(new DOMException('the response of a failed attempt is not read further', 'AbortError'))
  }
}
