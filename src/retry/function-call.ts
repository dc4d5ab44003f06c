import { RequestTimeoutError, subjectOf } from '../errors.ts'
import { type Deadline, Deadlines, NOT_WAITING } from '../time/deadlines.ts'

/** The life of one function-level call: ends with the caller's signal or with the total time, whichever is first. */
export class FunctionCall implements Deadline {
  place = NOT_WAITING
  readonly signal: AbortSignal
  /** `performance.now()` milliseconds; Infinity without a total timeout. */
  readonly deadline: number
  /** The error that ended it, where it was its total time. */
  timeout: RequestTimeoutError | undefined = undefined
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #integration: string
  readonly #deadlines: Deadlines | undefined

  constructor(outer: AbortSignal | undefined, timeoutMs: number | undefined, integration: string) {
    this.signal = this.#controller.signal
    this.#outer = outer
    this.#integration = integration
    if (timeoutMs === undefined) {
      this.deadline = Infinity
    } else {
      const now = performance.now()
      this.deadline = now + timeoutMs
      this.#deadlines = new Deadlines(timeoutMs, true)
      this.#deadlines.set(this, now)
    }
    if (outer?.aborted === true) this.#abort()
    else outer?.addEventListener('abort', this.#abort)
  }

  /** Its total time is up. */
  expire(): void {
    const timeoutMs = this.#deadlines!.ms
    const context = { scope: 'call', timeoutMs, integration: this.#integration } as const
    this.timeout = new RequestTimeoutError(`${subjectOf(context)}: the call timed out`, context)
    this.#controller.abort(this.timeout)
  }

  readonly #abort = (): void => this.#controller.abort(this.#outer?.reason)

  /** Runs work, and rejects as soon as the call ends, even if the work does not heed the signal. */
  race<T>(work: () => T | PromiseLike<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const onEnd = (): void => reject(this.signal.reason as Error)
      const settle = (): void => this.signal.removeEventListener('abort', onEnd)
      this.signal.addEventListener('abort', onEnd)
      // inside a promise, so that a synchronous throw is a rejection like any other
      new Promise<T>((done) => done(work())).then(resolve, reject).finally(settle)
    })
  }

  wait(ms: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const onEnd = (): void => {
        clearTimeout(timer)
        reject(this.signal.reason as Error)
      }
      const timer = setTimeout(() => {
        this.signal.removeEventListener('abort', onEnd)
        resolve()
      }, ms)
      this.signal.addEventListener('abort', onEnd)
    })
  }

  /** Lets go of the timer and of the caller's signal. */
  end(): void {
    this.#deadlines?.clear(this)
    this.#outer?.removeEventListener('abort', this.#abort)
  }
}
