import { type DeadLetterRecord, recordOf } from '../../record/record.ts'
import type { Placement } from './placement.ts'
import { Transfer, type TransferSource } from './transfer.ts'

/** How often a spool is looked into anyway: another process may have left something there. */
const EVERY_MS = 60_000

/** The store or sink, as the drain sees it. */
interface DrainTarget {
  /** How long to leave it alone, in milliseconds; 0 when it may be tried. */
  waitMs(): number
  add(records: readonly DeadLetterRecord[]): Promise<Placement>
  /** The user hears of what holds the drain up. */
  warn(message: string): void
}

/** Moves what is in the spool to where it belongs, when that may be tried. Several processes may share a spool. */
export class SpoolDrain {
  readonly #target: DrainTarget
  readonly #transfer: Transfer
  #timer: NodeJS.Timeout | undefined
  /** When the timer goes off, `performance.now()` milliseconds. */
  #at = Infinity
  #running: Promise<void> | undefined
  /** Something came while it ran. */
  #again = false
  #closed = false

  /** @param what what the target is, for messages: `store` */
  constructor(spool: TransferSource, what: string, target: DrainTarget) {
    this.#target = target
    this.#transfer = new Transfer(spool, {
      waitMs: () => target.waitMs(),
      add: (items) => target.add(items.map(recordOf)),
      refused: (id, error) =>
        target.warn(`the ${what} refuses dead letter ${id}, which stays in the spool: ${String(error)}`),
    })
  }

  /**
   * Drains when the target may be tried, and a random part of `withinMs` after: many processes notice at the same moment
   * that it works again. An earlier time that is set stays.
   */
  schedule(withinMs: number): void {
    if (this.#running !== undefined) this.#again = true
    if (this.#closed || this.#running !== undefined) return
    const wait = this.#target.waitMs() + Math.random() * withinMs
    const at = performance.now() + wait
    if (at >= this.#at) return
    clearTimeout(this.#timer)
    this.#at = at
    this.#timer = setTimeout(() => this.#start(), wait).unref()
  }

  #start(): void {
    this.#at = Infinity
    this.#again = false
    this.#running = this.#drain().then((isEmpty) => {
      this.#running = undefined
      this.schedule(isEmpty && !this.#again ? EVERY_MS : 1000)
    })
  }

  /** Whether nothing is left that could be moved. */
  async #drain(): Promise<boolean> {
    try {
      const { isEmpty } = await this.#transfer.run(() => this.#closed)
      return isEmpty
    } catch (error) {
      this.#target.warn(`the dead-letter spool cannot be drained: ${String(error)}`)
      return false
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }
}
