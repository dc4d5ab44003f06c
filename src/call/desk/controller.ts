import type { Dispatcher } from 'undici'

type RawHeaders = Exclude<Dispatcher.DispatchController['rawHeaders'], undefined>

/**
 * The one controller that the caller holds over all attempts of a call. It is handed out before the first attempt, so
 * that an abort is heard in every wait; fetch adds a listener each time it is given one, so there is never a second.
 */
export class StableController implements Dispatcher.DispatchController {
  // Writable and forwarded: npm fetch reads them for redirects and for decoding (undici #5726, #5858).
  rawHeaders: RawHeaders = null
  rawTrailers: RawHeaders = null
  aborted = false
  paused = false
  reason: Error | null = null
  /** The controller of the attempt in hand; none in a wait. */
  attempt: Dispatcher.DispatchController | null = null
  readonly #onAbort: { cancel(reason: Error | undefined): void }

  constructor(onAbort: { cancel(reason: Error | undefined): void }) {
    this.#onAbort = onAbort
  }

  /** Points to the connection of a new attempt. A pause or an abort that came in the meantime is applied to it. */
  attach(attempt: Dispatcher.DispatchController): void {
    this.attempt = attempt
    // without a reason undici makes its own error: it is handed on as it came
    if (this.aborted) attempt.abort((this.reason ?? undefined) as never)
    else if (this.paused) attempt.pause()
  }

  detach(): void {
    this.attempt = null
  }

  pause(): void {
    this.paused = true
    this.attempt?.pause()
  }

  resume(): void {
    this.paused = false
    this.attempt?.resume()
  }

  abort(reason?: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason ?? null
    this.#onAbort.cancel(reason)
  }
}
