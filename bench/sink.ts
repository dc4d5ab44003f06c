import type { Dispatcher } from 'undici'

/** What a call ends in that nobody reads. */
export class Sink implements Dispatcher.DispatchHandler {
  /** Calls that came to their end. */
  static ended = 0
  readonly #done: (() => void) | undefined

  constructor(done?: () => void) {
    this.#done = done
  }

  onRequestStart(): void {}
  onResponseStart(): void {}
  onResponseData(): void {}
  onResponseEnd(): void {
    Sink.ended += 1
    this.#done?.()
  }
  onResponseError(_controller: unknown, error: Error): void {
    throw error
  }
}
