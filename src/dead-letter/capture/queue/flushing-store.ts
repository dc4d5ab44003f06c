import { isInMemory } from '../../local/local-dead-letters.ts'
import type { DeadLetter, DeadLetterRecord } from '../../record/record.ts'
import type { AddResult } from '../../store/add-result.ts'
import type { ClaimOptions } from '../../store/claim-options.ts'
import type { DeadLetterQuery } from '../../store/query/query.ts'
import type { Settlement, SettleResult } from '../../store/settlement.ts'
import type { AddOptions } from '../../store/sink.ts'
import type { DeadLetterStats } from '../../store/stats.ts'
import type { ClaimResult, DeadLetterPage, DeadLetterStore } from '../../store/store.ts'
import type { CaptureQueue } from './queue.ts'

/** How long a read waits for captures that are still being written, in milliseconds. */
const FLUSH_MS = 2_000

/**
 * The store of a stack that captures into it in the background. Each read first waits until what was captured before is
 * written, for at most `FLUSH_MS`, so that a program finds its own dead letters.
 */
export class FlushingStore implements DeadLetterStore {
  readonly #store: DeadLetterStore
  readonly #queue: CaptureQueue

  constructor(store: DeadLetterStore, queue: CaptureQueue) {
    this.#store = store
    this.#queue = queue
  }

  get remote(): boolean {
    return this.#store.remote ?? false
  }

  get inMemory(): boolean {
    return isInMemory(this.#store)
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    await this.#queue.settle(FLUSH_MS)
    return this.#store.get(id)
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    await this.#queue.settle(FLUSH_MS)
    return this.#store.list(query)
  }

  async stats(): Promise<DeadLetterStats> {
    await this.#queue.settle(FLUSH_MS)
    return this.#store.stats()
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    await this.#queue.settle(FLUSH_MS)
    return this.#store.claim(options)
  }

  async discard(ids: readonly string[]): Promise<number> {
    await this.#queue.settle(FLUSH_MS)
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
