import { ShutdownError, subjectOf, throwApart } from '../errors.ts'
import type { Attempt } from './attempt.ts'

/** What a layer does when its wait does not come to its own end. */
export interface WaitListener {
  /** The call is over or about to be: clears timers, gives back what was asked for. Nothing may be sent any more. */
  stopped(): void
  /** `close()` or the caller's own timeout ended the wait: tells the layers above, once, after `stopped`. */
  failed(error: Error): void
}

/** What a call is in, and must be out of when it ends: a wait, a place that others wait for. Those of a call are a list without a list. */
export interface Stoppable {
  nextStoppable: Stoppable | undefined
  /** The call is ending. Nothing is told to anyone. */
  stop(): void
}

/**
 * A wait of a call before something is sent: a backoff, a probe that a store has to grant, a permit. It ends once: by
 * itself, or with the call (abort, deadline), or by `close()`.
 */
export class Wait implements Stoppable {
  nextStoppable: Stoppable | undefined = undefined
  readonly #waits: Waits
  readonly #attempt: Attempt
  readonly #listener: WaitListener

  constructor(waits: Waits, attempt: Attempt, listener: WaitListener) {
    this.#waits = waits
    this.#attempt = attempt
    this.#listener = listener
  }

  /** It came to its own end: `next` sends. False when the call ended before; then nothing may follow. */
  go(next: () => void): boolean {
    if (!this.#end()) return false
    const attempt = this.#attempt
    attempt.startAnew()
    next()
    attempt.fresh = false
    return true
  }

  /** The call is ending. */
  stop(): void {
    if (this.#end()) this.#listener.stopped()
  }

  /** Ends it for a reason of ours or of the caller's, which the layers above hear of in the context of the call. */
  fail(makeError: () => Error): void {
    if (!this.#end()) return
    // first: an attempt that was never let through is none for the error either
    this.#listener.stopped()
    this.#attempt.call.runInAsyncScope(() => this.#listener.failed(makeError()))
  }

  #end(): boolean {
    this.#attempt.call.removeWait(this)
    return this.#waits.remove(this)
  }

  /** `close()` ends it: whatever it waited for, that is why the call was given up. */
  shutDown(integration: string): void {
    this.fail(() => {
      const { call } = this.#attempt
      call.givenUp = { reason: 'shutdown' }
      const { method, redactedUrl: url, attempts } = call
      const context = { integration, method, url, attempts }
      return new ShutdownError(`${subjectOf(context)} was waiting when the stack was closed`, context)
    })
  }
}

/** The waits of one layer, over all calls: `close` ends them, so that nothing keeps the process. */
export class Waits {
  readonly #integration: string
  readonly #open = new Set<Wait>()
  /** Nothing may begin to wait any more. */
  closed = false

  constructor(integration: string) {
    this.#integration = integration
  }

  begin(attempt: Attempt, listener: WaitListener): Wait {
    const wait = new Wait(this, attempt, listener)
    this.#open.add(wait)
    attempt.call.watchTime()
    attempt.call.addWait(wait)
    return wait
  }

  remove(wait: Wait): boolean {
    return this.#open.delete(wait)
  }

  /** Ends every wait with a `ShutdownError`, at once. What a caller's handler throws is told as uncaught. */
  close(): void {
    this.closed = true
    for (const wait of [...this.#open]) {
      try {
        wait.shutDown(this.#integration)
      } catch (error) {
        throwApart(error)
      }
    }
  }
}
