import { isDoneWithin } from '../../time/time-limit.ts'

/** How many calls have no final answer yet: each may still become a dead letter. */
export class CallsUnderWay {
  #count = 0
  #whenNone: (() => void)[] = []

  get count(): number {
    return this.#count
  }

  began(): void {
    this.#count++
  }

  ended(): void {
    this.#count--
    if (this.#count === 0 && this.#whenNone.length > 0) {
      for (const resolve of this.#whenNone.splice(0)) resolve()
    }
  }

  /** Waits until there is none, but no longer than `ms`. */
  async over(ms: number): Promise<void> {
    if (this.#count === 0 || ms === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenNone.push(resolve)
    await isDoneWithin(promise, ms)
  }
}
