import { withTimeLimit } from '../time/time-limit.ts'

/** Whether commands can be sent on a connection, for those who can wait until they can. */
export class Readiness {
  readonly #timeoutMs: number
  readonly #failure: string
  readonly #waiting = new Set<() => void>()
  #up = false
  #lastError: Error | undefined

  /** @param failure what is said when the wait is in vain: `Redis cannot be reached` */
  constructor(timeoutMs: number, failure: string) {
    this.#timeoutMs = timeoutMs
    this.#failure = failure
  }

  /** The connection was made, or there will never be one: nobody waits any longer. */
  up(): void {
    this.#up = true
    for (const wake of this.#waiting) wake()
  }

  down(error: Error | undefined): void {
    this.#up = false
    this.#lastError = error
  }

  /** @throws {Error} with the last error as its cause, when it takes longer than the timeout */
  async wait(): Promise<void> {
    if (this.#up) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    try {
      await withTimeLimit(promise, this.#timeoutMs, 'the wait for the store', { unref: true })
    } catch {
      throw new Error(this.#failure, { cause: this.#lastError })
    } finally {
      this.#waiting.delete(resolve)
    }
  }
}
