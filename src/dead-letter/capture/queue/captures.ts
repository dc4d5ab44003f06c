import { isDoneWithin } from '../../../time/time-limit.ts'
import type { DeadLetterRecord } from '../../record/record.ts'
import type { Reservation } from './budget.ts'
import type { CaptureQueue } from './queue.ts'

/**
 * The captures of a stack: to its store, and to each of its sinks. They go there side by side, each with its own queue, so
 * that none is held up by another that is away. A look at the store does not wait for sinks.
 */
export class Captures {
  readonly #toStore: CaptureQueue
  readonly #toSinks: readonly CaptureQueue[]
  /** Records that are being made. */
  readonly #making = new Set<Promise<void>>()

  constructor(toStore: CaptureQueue, toSinks: readonly CaptureQueue[]) {
    this.#toStore = toStore
    this.#toSinks = toSinks
  }

  /** Whether captures are still taken. */
  get open(): boolean {
    return this.#toStore.open
  }

  /** Room for a record of so many bytes, to be had before any of it is copied; `undefined` when there is none. */
  reserve(bytes: number): Reservation | undefined {
    return this.#toStore.reserve(bytes)
  }

  /**
   * Queues what `make` resolves to, nothing where that is `undefined`; the reservation is given back when the store has it,
   * or never will.
   */
  capture(reservation: Reservation, make: () => Promise<DeadLetterRecord | undefined>): Promise<void> {
    if (this.#toSinks.length === 0) return this.#toStore.capture(reservation, make)
    const making = this.#toStore
      .capture(reservation, async () => {
        const record = await make()
        if (record !== undefined) for (const sink of this.#toSinks) sink.push(record)
        return record
      })
      .finally(() => this.#making.delete(making))
    this.#making.add(making)
    return making
  }

  /** Tells of a call for whose record there was no room; `make` makes a record without its bodies, for `onDrop`. */
  refuse(...refused: Parameters<CaptureQueue['refuse']>): void {
    this.#toStore.refuse(...refused)
  }

  /** Resolves to whether everything captured so far is kept everywhere, within `timeoutMs`. */
  async flush(timeoutMs: number): Promise<boolean> {
    const until = performance.now() + timeoutMs
    await isDoneWithin(Promise.all(this.#making), timeoutMs)
    const leftMs = Math.max(0, until - performance.now())
    const flushed = await Promise.all([this.#toStore, ...this.#toSinks].map((queue) => queue.flush(leftMs)))
    return flushed.every((isFlushed) => isFlushed)
  }

  /** Takes no more captures, brings what is here to its places for at most `timeoutMs`, and drops the rest. */
  async close(timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs
    const closing = this.#toStore.close(timeoutMs)
    // what is still being made goes to the sinks too
    await isDoneWithin(Promise.all(this.#making), timeoutMs)
    const leftMs = Math.max(0, until - performance.now())
    await Promise.all([closing, ...this.#toSinks.map((queue) => queue.close(leftMs))])
  }
}
