import { addApart } from './add-apart.ts'
import { type DeadLetterRecord, recordOf } from './record.ts'
import type { DeadLetterStore } from './store.ts'
import { withTimeLimit } from './time-limit.ts'

const BATCH = 200
/** Long enough for one batch, short enough that a crashed drain delays its batch little. */
const LEASE_MS = 30_000
/** How often a spool is looked into without cause: another process may have left something there. */
const EVERY_MS = 30_000

/**
 * Moves what is in the spool to the store. Several processes may share a spool: entries are leased, adding is
 * idempotent, and an entry leaves the spool only when the store has it.
 */
export class SpoolDrain {
  readonly #spool: DeadLetterStore
  readonly #store: DeadLetterStore
  readonly #timeoutMs: number
  readonly #mayTry: () => boolean
  readonly #drop: (record: DeadLetterRecord, reason: string) => void
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #closed = false

  constructor(
    spool: DeadLetterStore,
    store: DeadLetterStore,
    timeoutMs: number,
    mayTry: () => boolean,
    drop: (record: DeadLetterRecord, reason: string) => void,
  ) {
    this.#spool = spool
    this.#store = store
    this.#timeoutMs = timeoutMs
    this.#mayTry = mayTry
    this.#drop = drop
  }

  /** Drains after a random part of `withinMs`: many processes find the store back at the same moment. */
  schedule(withinMs: number): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#running ??= this.#drain().finally(() => {
        this.#running = undefined
        this.schedule(EVERY_MS * 2)
      })
    }, Math.random() * withinMs).unref()
  }

  async #drain(): Promise<void> {
    try {
      while (!this.#closed && this.#mayTry()) if (!(await this.#step())) return
    } catch {
      // The store or the spool went away again. What was leased lapses, and the next round takes it up.
    }
  }

  /** Moves one batch; whether there may be more. */
  async #step(): Promise<boolean> {
    const { items, corrupt } = await this.#spool.claim({
      limit: BATCH,
      leaseMs: LEASE_MS,
      purpose: 'transfer',
    })
    if (items.length === 0) return corrupt.length > 0
    const records = items.map(recordOf)
    const { results, bad, left, error } = await addApart(
      (part) => withTimeLimit(this.#store.add(part), this.#timeoutMs, 'adding dead letters to the store'),
      records,
      this.#timeoutMs,
    )
    const waiting = new Set(left.map(({ id }) => id))
    await this.#release(items.filter(({ id }) => waiting.has(id)))
    await this.#spool.discard(results.flatMap(({ kept, settled }) => [...kept, ...settled]))
    await this.#spool.discard(bad.map(({ id }) => id))
    for (const record of bad) this.#drop(record, 'refused-by-store')
    if (left.length > 0) throw error
    return results.every(({ refused }) => refused.length === 0)
  }

  async #release(items: readonly { id: string; fence: number }[]): Promise<void> {
    for (const { id, fence } of items) await this.#spool.settle(id, fence, { outcome: 'later', delayMs: 0 })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }
}
