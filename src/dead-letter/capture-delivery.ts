import type { Logger, Reporter } from '../telemetry/reporter.ts'
import { type AddedApart, addApart } from './add-apart.ts'
import { tellDegraded, tellDurable } from './capture-events.ts'
import { isStorable } from './record-json.ts'
import type { DeadLetterRecord } from './record.ts'
import { SpoolDrain } from './spool-drain.ts'
import type { AddResult, DeadLetterStore } from './store.ts'
import { withTimeLimit } from './time-limit.ts'

export interface CaptureDeliveryOptions {
  readonly store: DeadLetterStore
  readonly spool: DeadLetterStore | undefined
  readonly storeTimeoutMs: number
  readonly reporter: Reporter
  readonly logger: Logger | undefined
}

/** Hears of each record that is kept nowhere. */
export type Drop = (record: DeadLetterRecord, reason: string) => void

/** The wait after a failure of the store: doubles up to the second number, and is spread over its upper half. */
const BACKOFF_MS = [100, 15_000] as const

/** Brings batches to the store, to the spool when the store fails or takes too long, and minds when to try again. */
export class CaptureDelivery {
  readonly #options: CaptureDeliveryOptions
  readonly #drop: Drop
  readonly #drain: SpoolDrain | undefined
  #failures = 0
  #downUntil = 0
  #warned = false

  constructor(options: CaptureDeliveryOptions, drop: Drop) {
    this.#options = options
    this.#drop = drop
    const { spool, store, storeTimeoutMs } = options
    if (spool !== undefined) {
      this.#drain = new SpoolDrain(spool, store, storeTimeoutMs, () => this.#mayTry, drop)
      this.#drain.schedule(1000)
    } else if (store.remote === true) {
      this.#warn('deadLetter has no `spool`: while the store is away, captured calls wait in memory only')
    }
  }

  /** Whether the store failed last time. */
  get failing(): boolean {
    return this.#failures > 0
  }

  /** How long the store is left alone, in milliseconds. */
  get waitMs(): number {
    return this.#downUntil - Date.now()
  }

  /** Lets the store be tried at once. */
  tryNow(): void {
    this.#downUntil = 0
  }

  get #mayTry(): boolean {
    return this.#downUntil <= Date.now()
  }

  /** Keeps the batch, or drops of it what cannot be kept. Resolves to what neither store nor spool took. */
  async keep(batch: readonly DeadLetterRecord[]): Promise<readonly DeadLetterRecord[]> {
    const { store, spool } = this.#options
    if (!this.#mayTry) return this.#spool(batch, 'spool-full')
    const { results, bad, left, error } = await this.#add(store, batch, 'the store')
    if (error === undefined || results.length > 0) this.#storeUp()
    else this.#storeFailed(error)
    // through the spool they get a second chance: what the drain finds bad too is dropped
    const doubtful = spool === undefined ? [] : bad.filter(isStorable)
    for (const record of bad) if (!doubtful.includes(record)) this.#drop(record, 'refused-by-store')
    const homeless = withoutRoom(batch, results, 'store')
    if (spool === undefined) for (const record of homeless) this.#drop(record, 'store-full')
    const waiting = spool === undefined ? [] : await this.#spool(homeless, 'store-full')
    const unspooled = await this.#spool([...left, ...doubtful], 'spool-full')
    if (doubtful.length > 0) this.#drain?.schedule(1000)
    return [...waiting, ...unspooled]
  }

  /** Resolves to what the spool did not take: it waits for the store. */
  async #spool(batch: readonly DeadLetterRecord[], whenFull: string): Promise<readonly DeadLetterRecord[]> {
    const { spool } = this.#options
    if (spool === undefined || batch.length === 0) return batch
    const { results, bad, left, error } = await this.#add(spool, batch, 'the spool')
    for (const record of withoutRoom(batch, results, 'spool')) this.#drop(record, whenFull)
    if (left.length > 0)
      this.#warnOnce(`the dead-letter spool failed too: ${String(error)}; records wait in memory`)
    for (const record of bad) if (!isStorable(record)) this.#drop(record, 'refused-by-store')
    return [...left, ...bad.filter(isStorable)]
  }

  #add(store: DeadLetterStore, batch: readonly DeadLetterRecord[], what: string): Promise<AddedApart> {
    const { storeTimeoutMs } = this.#options
    return addApart(
      (records) => withTimeLimit(store.add(records), storeTimeoutMs, `adding dead letters to ${what}`),
      batch,
      storeTimeoutMs,
    )
  }

  #storeUp(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.#warned = false
    tellDegraded(false)
    const { logger, reporter } = this.#options
    logger?.info({ integration: reporter.integration }, 'the dead-letter store is back')
    // other processes find the store back at the same moment
    this.#drain?.schedule(1000)
  }

  #storeFailed(error: unknown): void {
    // batches that were under way together fail together, and count once
    if (!this.#mayTry) return
    const [first, most] = BACKOFF_MS
    const wait = Math.min(most, first * 2 ** this.#failures++)
    this.#downUntil = Date.now() + wait / 2 + (Math.random() * wait) / 2
    if (this.#failures > 1) return
    tellDegraded(true, error)
    const where =
      this.#options.spool === undefined
        ? 'without a spool, records wait in memory only'
        : 'records go to the spool'
    this.#warn(`the dead-letter store failed: ${String(error)}; ${where}`)
  }

  async close(): Promise<void> {
    await this.#drain?.close()
  }

  #warnOnce(message: string): void {
    if (this.#warned) return
    this.#warned = true
    this.#warn(message)
  }

  #warn(message: string): void {
    const { logger, reporter } = this.#options
    if (logger === undefined) process.emitWarning(message, 'ResilienceWarning')
    else logger.warn({ integration: reporter.integration }, message)
  }
}

/** Tells what of a batch is kept; gives back what had no room. */
function withoutRoom(
  batch: readonly DeadLetterRecord[],
  results: readonly AddResult[],
  where: 'store' | 'spool',
): readonly DeadLetterRecord[] {
  const refused = new Set<string>()
  for (const result of results) {
    tellDurable([...result.kept, ...result.settled], where)
    for (const id of result.refused) refused.add(id)
  }
  return refused.size === 0 ? [] : batch.filter((record) => refused.has(record.id))
}
