import { RequestTimeoutError } from '../errors.ts'
import { durationOption } from '../options.ts'

/** The life of one function-level call: ends with the caller's signal or with the total time, whichever is first. */
export class CallScope {
  readonly signal: AbortSignal
  /** `performance.now()` milliseconds; Infinity without a total timeout. */
  readonly deadline: number
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #timer: NodeJS.Timeout | undefined

  constructor(outer: AbortSignal | undefined, totalTimeoutMs: number | undefined, integration: string) {
    if (outer !== undefined && !(outer instanceof AbortSignal)) {
      throw new TypeError(`\`signal\` must be an AbortSignal, got ${String(outer)}`)
    }
    this.signal = this.#controller.signal
    this.#outer = outer
    if (totalTimeoutMs === undefined) {
      this.deadline = Infinity
    } else {
      const timeoutMs = durationOption('totalTimeoutMs', totalTimeoutMs, 1)
      this.deadline = performance.now() + timeoutMs
      this.#timer = setTimeout(() => {
        const message = `the call took longer than ${timeoutMs} ms`
        this.#controller.abort(new RequestTimeoutError(message, { scope: 'call', timeoutMs, integration }))
      }, timeoutMs)
    }
    if (outer?.aborted === true) this.#abort()
    else outer?.addEventListener('abort', this.#abort)
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
    clearTimeout(this.#timer)
    this.#outer?.removeEventListener('abort', this.#abort)
  }
}
