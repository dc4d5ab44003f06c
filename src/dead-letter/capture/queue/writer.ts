import type { Logger, Reporter } from '../../../telemetry/reporter.ts'
import { isDoneWithin } from '../../../time/time-limit.ts'
import type { DeadLetterRecord } from '../../record/record.ts'
import type { DeadLetterSink } from '../../store/sink.ts'
import type { DeadLetterStore } from '../../store/store.ts'
import { reportDegraded } from './events.ts'
import { Outage } from './outage.ts'
import { noPlace, notAsked, place, type Placement, whatRemains } from './placement.ts'
import { SpoolDrain } from './spool-drain.ts'
import { type Spool, spoolOf } from './spool.ts'

export interface CaptureWriterOptions {
  /** What is written to. */
  readonly store: Pick<DeadLetterSink, 'add' | 'remote'>
  /** The name of the sink that this is. Default: it is the store. */
  readonly sink?: string | undefined
  readonly spool: DeadLetterStore | undefined
  readonly storeTimeoutMs: number
  readonly spoolAfterMs: number
  readonly reporter: Reporter
  readonly logger: Logger | undefined
}

/** Batches that the store may have in hand: the next is put together while it takes the last. */
const STORE_IN_FLIGHT = 4
/** And the spool: what one waits for, a disk, the others wait for as well, and none behind another. */
const SPOOL_IN_FLIGHT = 32

/** Called with each record that is kept nowhere. */
type Drop = (record: DeadLetterRecord, reason: string) => void

/** What became of a batch. */
interface Written {
  /** What neither store nor spool has taken; all else is durable, or dropped because it can never be. */
  readonly left: readonly DeadLetterRecord[]
  /** Where the store holds the batch still, though the spool has it: when it no longer does. */
  readonly held?: Promise<void>
}

/**
 * Brings batches to where they are durable: to the store at once, and to the spool as well when the store has not
 * answered soon. Adding twice is harmless. While the store fails, or owes an answer, new records go straight to the spool;
 * it is tried again with what is in the spool, never with what is new.
 */
export class CaptureWriter {
  readonly #options: CaptureWriterOptions
  readonly #where: 'store' | 'sink'
  /** For messages. */
  readonly #what: string
  readonly #spool: Spool | undefined
  readonly #drop: Drop
  readonly #onLate: () => void
  readonly #outage = new Outage()
  readonly #drain: SpoolDrain | undefined
  /** Answers of the store that are awaited although the spool has the records. */
  readonly #late = new Set<Promise<void>>()
  #warned = false

  /** @param onLate called when the store has become late, so that more batches may be written */
  constructor(options: CaptureWriterOptions, drop: Drop, onLate: () => void) {
    this.#options = options
    this.#drop = drop
    this.#onLate = onLate
    const { spool, store, sink } = options
    this.#where = sink === undefined ? 'store' : 'sink'
    this.#what = sink === undefined ? 'store' : `sink ${sink}`
    this.#spool = spool && spoolOf(spool, sink)
    if (this.#spool !== undefined) {
      this.#drain = new SpoolDrain(this.#spool, this.#what, {
        waitMs: () => (this.#late.size > 0 ? options.spoolAfterMs : Math.max(0, this.#outage.waitMs)),
        add: (records) => this.#toStore(records),
        warn: (message) => this.#warnOnce(message),
      })
      // soon: what a spool sets up with its first write is there when it is needed
      this.#drain.schedule(50)
    } else if (store.remote === true) {
      this.#warn(
        `deadLetter has no \`spool\`: while the ${this.#what} is away, captured calls wait in memory only`,
      )
    }
  }

  /** How many batches may be written at the same time. */
  get mostInFlight(): number {
    if (this.#isUp) return STORE_IN_FLIGHT
    return this.#options.spool === undefined ? 1 : SPOOL_IN_FLIGHT
  }

  /**
   * How long to gather records before the next batch, in milliseconds, when so many are being written. Each to the spool
   * waits a little longer for more: when its disk stands still for half a second, new records still reach its file.
   */
  gatherMs(inFlight: number): number {
    return this.#isUp || this.#options.spool === undefined ? 0 : inFlight
  }

  /** Whether new records go to the store first. */
  get #isUp(): boolean {
    return !this.#outage.on && this.#late.size === 0
  }

  /** How long to wait before the store is tried again, in milliseconds. */
  get waitMs(): number {
    return this.#outage.waitMs
  }

  /** Lets the store be tried at once. */
  tryNow(): void {
    this.#outage.tryNow()
  }

  /**
   * Resolves as soon as each record is durable in the store or in the spool, or neither has taken it.
   * @param waitedMs how long the oldest of them has waited already: it counts
   */
  async write(batch: readonly DeadLetterRecord[], waitedMs: number): Promise<Written> {
    if (this.#options.spool === undefined) {
      const stored = this.#outage.mayTry ? await this.#toStore(batch) : notAsked
      return this.#written(batch, stored, noPlace(batch))
    }
    if (!this.#isUp) return this.#spoolFirst(batch)
    const answer = this.#toStore(batch)
    if (await isDoneWithin(answer, Math.max(0, this.#options.spoolAfterMs - waitedMs))) {
      const stored = await answer
      const missing = batch.filter(({ id }) => isWorthSpooling(stored, id))
      return this.#written(batch, stored, await this.#toSpool(missing))
    }
    return this.#both(batch, answer)
  }

  async #spoolFirst(batch: readonly DeadLetterRecord[]): Promise<Written> {
    const spooled = await this.#toSpool(batch)
    const missing = batch.filter(({ id }) => isWorthSpooling(spooled, id))
    // they are nowhere but in memory: the store is the only hope that they have
    const ask = missing.length > 0 && this.#outage.mayTry && this.#late.size === 0
    return this.#written(batch, ask ? await this.#toStore(missing) : notAsked, spooled)
  }

  /** The store is late: the first of the two that has all of it will do. */
  async #both(batch: readonly DeadLetterRecord[], answer: Promise<Placement>): Promise<Written> {
    const spooling = this.#toSpool(batch)
    const late = this.#takeOut(answer, spooling).finally(() => this.#late.delete(late))
    this.#late.add(late)
    this.#onLate()
    const first = await Promise.race([answer, spooling])
    if (first.missing.size === 0) return { left: [], held: late }
    return this.#written(batch, await answer, await spooling)
  }

  /** What the store has after all need not be brought there from the spool. */
  async #takeOut(answer: Promise<Placement>, spooling: Promise<Placement>): Promise<void> {
    const stored = await answer
    const both = [...(await spooling).kept].filter((id) => stored.kept.has(id))
    try {
      if (both.length > 0) await this.#spool?.discard(both)
    } catch {
      // they are brought to the store once more, which knows their ids, and leave the spool then
      this.#drain?.schedule(1000)
    }
  }

  /** Drops what can be kept nowhere, and says what waits. */
  #written(batch: readonly DeadLetterRecord[], stored: Placement, spooled: Placement): Written {
    const left = batch.filter((record) => {
      const remains = whatRemains(record, stored, spooled)
      if (remains === 'store-full' || remains === 'refused-by-store') {
        this.#drop(record, remains.replace('store', this.#where))
      }
      return remains === 'waits'
    })
    return { left }
  }

  async #toStore(batch: readonly DeadLetterRecord[]): Promise<Placement> {
    const { store: at, sink, storeTimeoutMs: timeoutMs } = this.#options
    const placement = await place(batch, { at, where: this.#where, sink, timeoutMs })
    if (placement.works) this.#storeUp()
    else this.#storeFailed(placement.error)
    return placement
  }

  async #toSpool(batch: readonly DeadLetterRecord[]): Promise<Placement> {
    const { sink, storeTimeoutMs: timeoutMs } = this.#options
    const spool = this.#spool
    if (spool === undefined || batch.length === 0) return notAsked
    const placement = await place(batch, { at: spool, where: 'spool', sink, timeoutMs })
    if (!placement.works) {
      this.#warnOnce(`the dead-letter spool failed too: ${String(placement.error)}; records wait in memory`)
    }
    this.#drain?.schedule(1000)
    return placement
  }

  #storeUp(): void {
    if (!this.#outage.over()) return
    this.#warned = false
    reportDegraded(this.#options.sink, false)
    const { logger, reporter } = this.#options
    // a throw here would leave the batch in hand for ever
    reporter.guard('logger', undefined, () =>
      logger?.info({ integration: reporter.integration }, `the dead-letter ${this.#what} is back`),
    )
  }

  #storeFailed(error: unknown): void {
    if (!this.#outage.failed()) return
    reportDegraded(this.#options.sink, true, error)
    const where =
      this.#options.spool === undefined
        ? 'without a spool, records wait in memory only'
        : 'records go to the spool'
    this.#warn(`the dead-letter ${this.#what} failed: ${String(error)}; ${where}`)
  }

  /** Resolves when the store has answered for all that it was given, or has not within `timeoutMs`. */
  async answered(timeoutMs: number): Promise<void> {
    await isDoneWithin(Promise.all(this.#late), timeoutMs)
  }

  /** Ends what goes on in the background, and waits for it for at most `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    await isDoneWithin(Promise.all([this.#drain?.close(), ...this.#late]), timeoutMs)
  }

  #warnOnce(message: string): void {
    if (this.#warned) return
    this.#warned = true
    this.#warn(message)
  }

  #warn(message: string): void {
    const { logger, reporter } = this.#options
    if (logger === undefined) process.emitWarning(message, 'ResilienceWarning')
    else {
      reporter.guard('logger', undefined, () => logger.warn({ integration: reporter.integration }, message))
    }
  }
}

/** Whether another place may have what this one has not. */
function isWorthSpooling({ missing }: Placement, id: string): boolean {
  const why = missing.get(id)
  return why !== undefined && why !== 'unreadable'
}
