import type { CaptureQueue } from './capture-queue.ts'
import type {
  AddOptions,
  AddResult,
  ClaimOptions,
  ClaimResult,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterStats,
  DeadLetterStore,
  Settlement,
  SettleResult,
} from './store.ts'
import type { DeadLetter, DeadLetterRecord } from './record.ts'

/** How long a look at the store waits for captures that are on their way to it, in milliseconds. */
const waitMs = 2_000

/**
 * A store as the stack that captures into it shows it: what was captured before a call is seen by it, although captures
 * are written in the background. With the store out of reach it waits no longer than `waitMs`.
 */
export class OwnCaptures implements DeadLetterStore {
  readonly #store: DeadLetterStore
  readonly #queue: CaptureQueue

  constructor(store: DeadLetterStore, queue: CaptureQueue) {
    this.#store = store
    this.#queue = queue
  }

  get remote(): boolean {
    return this.#store.remote ?? false
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    await this.#queue.flush(waitMs)
    return this.#store.get(id)
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    await this.#queue.flush(waitMs)
    return this.#store.list(query)
  }

  async stats(): Promise<DeadLetterStats> {
    await this.#queue.flush(waitMs)
    return this.#store.stats()
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    await this.#queue.flush(waitMs)
    return this.#store.claim(options)
  }

  async discard(ids: readonly string[]): Promise<number> {
    await this.#queue.flush(waitMs)
    return this.#store.discard(ids)
  }

  add(records: readonly DeadLetterRecord[], options?: AddOptions): Promise<AddResult> {
    return this.#store.add(records, options)
  }

  renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    return this.#store.renew(id, fence, leaseMs)
  }

  settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    return this.#store.settle(id, fence, settlement)
  }

  requeue(ids: readonly string[], options?: { delayMs?: number }): Promise<number> {
    return this.#store.requeue(ids, options)
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
