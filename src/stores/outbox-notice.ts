import type { DeadLetterRecord } from '../dead-letter/record/record.ts'
import { type Scheduler, systemScheduler } from '../time/clock.ts'

/**
 * What processes tell each other on the channel of a store when a call of an outbox can be sent: the version of the message,
 * and `*`, with which no id of a circuit begins.
 */
export const OUTBOX_ADDED = '1 *outbox'

/** How often one process tells it at most, in milliseconds. */
const EVERY_MS = 100

/** Whether replayers should know of a record at once. */
export function isSentAtOnce({ reason, timestamp, notBefore = timestamp }: DeadLetterRecord): boolean {
  return reason === 'outbox' && notBefore <= Date.now()
}

/**
 * Tells the other processes that calls of an outbox were added: at once, and then what comes within the next 100 ms in one
 * message, so that a busy process costs the server ten of them a second.
 */
export class OutboxNotice {
  readonly #tell: () => Promise<unknown>
  readonly #clock: Scheduler
  #toldAt = -Infinity
  #cancel: (() => void) | undefined

  /** @param tell tells it now; when it fails, replayers look by themselves soon */
  constructor(tell: () => Promise<unknown>, clock: Scheduler = systemScheduler) {
    this.#tell = tell
    this.#clock = clock
  }

  /** True: it is to be told now, by the caller. False: it is told soon, by itself. */
  takeTurn(): boolean {
    const now = this.#clock.now()
    const waitMs = this.#toldAt + EVERY_MS - now
    if (waitMs <= 0) {
      this.#toldAt = now
      return true
    }
    this.#cancel ??= this.#clock.after(waitMs, () => this.#tellRest(), { unref: true })
    return false
  }

  #tellRest(): void {
    this.#cancel = undefined
    this.#toldAt = this.#clock.now()
    this.#tell().catch(() => undefined)
  }

  close(): void {
    this.#cancel?.()
  }
}
