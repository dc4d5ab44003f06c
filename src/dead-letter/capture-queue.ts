import { channels } from '../telemetry/channels.ts'
import type { Logger, Reporter } from '../telemetry/reporter.ts'
import { tellDegraded, tellDurable } from './capture-events.ts'
import type { DeadLetterRecord } from './record.ts'
import { SpoolDrain } from './spool-drain.ts'
import type { AddResult, DeadLetterStore } from './store.ts'
import { withTimeLimit } from './time-limit.ts'

export interface CaptureQueueOptions {
  readonly store: DeadLetterStore
  readonly spool: DeadLetterStore | undefined
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  readonly storeTimeoutMs: number
  readonly onDrop: ((record: DeadLetterRecord, reason: string) => void) | undefined
  readonly reporter: Reporter
  readonly logger: Logger | undefined
}

const BATCH_RECORDS = 4000
const BATCH_BYTES = 8 * 1024 * 1024
/** Batches under way at the same time: one is made here while the store takes another. */
const MAX_UNDER_WAY = 4
/** The wait after a failure of the store: doubles up to the second number, and is spread over its upper half. */
const BACKOFF_MS = [100, 15_000] as const
/** What a record weighs beside its bodies: for the bound of the queue only. */
const RECORD_BYTES = 2048

/**
 * Records on their way to the store. `push` never waits, never throws, and never takes more memory than its bounds; the
 * rest happens in the background: batches to the store, to the spool when the store fails or takes too long, and when
 * both are away the records wait here until one is back.
 */
export class CaptureQueue {
  readonly #options: CaptureQueueOptions
  readonly #drain: SpoolDrain | undefined
  #records: DeadLetterRecord[] = []
  #bytes = 0
  /** Records still being made: their bodies are being read. */
  #making = 0
  #working = false
  /** Taken from the queue, and still counted. */
  readonly #underWay = new Set<readonly DeadLetterRecord[]>()
  /** Neither store nor spool took the last batch. */
  #stuck = false
  #next: (() => void) | undefined
  #failures = 0
  #storeDownUntil = 0
  #closing = false
  #closed = false
  #warned = false
  #waiters: (() => void)[] = []
  #wake: (() => void) | undefined

  constructor(options: CaptureQueueOptions) {
    this.#options = options
    const { spool, store } = options
    if (spool !== undefined) {
      this.#drain = new SpoolDrain(
        spool,
        store,
        options.storeTimeoutMs,
        () => this.#storeDownUntil <= Date.now(),
      )
      this.#drain.schedule(1000)
    } else if (store.remote === true) this.#warnWithoutSpool()
  }

  /** Whether captures are still taken. */
  get open(): boolean {
    return !this.#closing
  }

  /** Queues what `make` resolves to. */
  async capture(make: () => Promise<DeadLetterRecord>): Promise<void> {
    this.#making++
    try {
      this.push(await make())
    } catch (error) {
      // a capture must not become an unhandled rejection of the application
      this.#options.reporter.hookFailed('deadLetter', error)
    } finally {
      this.#making--
      this.#tellIdle()
    }
  }

  push(record: DeadLetterRecord): void {
    const { maxQueued, maxQueuedBytes } = this.#options
    const bytes = sizeOf(record)
    if (this.#closed) this.#drop(record, 'closed')
    else if (this.#count >= maxQueued || this.#bytes + bytes > maxQueuedBytes)
      this.#drop(record, 'queue-full')
    else {
      this.#records.push(record)
      this.#bytes += bytes
      if (this.#working) this.#next?.()
      else void this.#work()
    }
  }

  get #count(): number {
    let count = this.#records.length
    for (const batch of this.#underWay) count += batch.length
    return count
  }

  async #work(): Promise<void> {
    this.#working = true
    // captures of one moment share a batch
    await new Promise((resolve) => setImmediate(resolve))
    while ((this.#records.length > 0 || this.#underWay.size > 0) && !this.#closed) {
      if (this.#stuck && this.#underWay.size === 0) await this.#pause()
      const most = this.#failures > 0 ? 1 : MAX_UNDER_WAY
      if (this.#records.length > 0 && this.#underWay.size < most && !this.#stuck)
        void this.#deliver(this.#take())
      else if (this.#underWay.size > 0) await new Promise<void>((resolve) => (this.#next = resolve))
    }
    this.#working = false
    this.#tellIdle()
  }

  #take(): DeadLetterRecord[] {
    let bytes = 0
    let count = 0
    while (count < this.#records.length && count < BATCH_RECORDS && (count === 0 || bytes < BATCH_BYTES)) {
      bytes += sizeOf(this.#records[count++]!)
    }
    return this.#records.splice(0, count)
  }

  async #deliver(batch: DeadLetterRecord[]): Promise<void> {
    this.#underWay.add(batch)
    const kept = await this.#keep(batch)
    this.#underWay.delete(batch)
    // `close` has dropped what was under way when its time was up
    if (this.#closed) return
    if (kept) for (const record of batch) this.#bytes -= sizeOf(record)
    else {
      this.#records = [...batch, ...this.#records]
      this.#stuck = true
    }
    this.#next?.()
  }

  /** Whether the batch is done with: kept somewhere, or dropped. */
  async #keep(batch: readonly DeadLetterRecord[]): Promise<boolean> {
    const { store, storeTimeoutMs } = this.#options
    if (this.#storeDownUntil <= Date.now()) {
      try {
        const result = await withTimeLimit(
          store.add(batch),
          storeTimeoutMs,
          'adding dead letters to the store',
        )
        this.#storeUp()
        return await this.#afterAdd(batch, result)
      } catch (error) {
        this.#storeFailed(error)
      }
    }
    return this.#spool(batch, 'spool-full')
  }

  async #afterAdd(batch: readonly DeadLetterRecord[], result: AddResult): Promise<boolean> {
    tellDurable([...result.kept, ...result.settled], 'store')
    if (result.refused.length === 0) return true
    const refused = new Set(result.refused)
    const left = batch.filter((record) => refused.has(record.id))
    if (this.#options.spool !== undefined) return this.#spool(left, 'store-full')
    for (const record of left) this.#drop(record, 'store-full')
    return true
  }

  async #spool(batch: readonly DeadLetterRecord[], whenFull: string): Promise<boolean> {
    const { spool, storeTimeoutMs } = this.#options
    if (spool === undefined) return false
    try {
      const result = await withTimeLimit(spool.add(batch), storeTimeoutMs, 'adding dead letters to the spool')
      tellDurable([...result.kept, ...result.settled], 'spool')
      const refused = new Set(result.refused)
      for (const record of batch) if (refused.has(record.id)) this.#drop(record, whenFull)
      return true
    } catch (error) {
      this.#warnOnce(`the dead-letter spool failed too: ${String(error)}; records wait in memory`)
      return false
    }
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
    if (this.#storeDownUntil > Date.now()) return
    const [first, most] = BACKOFF_MS
    const wait = Math.min(most, first * 2 ** this.#failures++)
    this.#storeDownUntil = Date.now() + wait / 2 + (Math.random() * wait) / 2
    if (this.#failures > 1) return
    tellDegraded(true, error)
    const where =
      this.#options.spool === undefined
        ? 'without a spool, records wait in memory only'
        : 'records go to the spool'
    this.#warn(`the dead-letter store failed: ${String(error)}; ${where}`)
  }

  /** Until the store is worth another look; not longer than a moment while closing. */
  async #pause(): Promise<void> {
    const wait = Math.max(10, this.#storeDownUntil - Date.now())
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      // unref'd: an outage must not keep a process alive that has nothing else to do and did not call `close`
      setTimeout(resolve, this.#closing ? Math.min(wait, 100) : wait).unref()
    })
    this.#wake = undefined
    this.#stuck = false
    if (this.#closing) this.#storeDownUntil = 0
  }

  /** Resolves to whether everything captured so far is kept. */
  async flush(timeoutMs: number): Promise<boolean> {
    const deadline = Date.now() + timeoutMs
    while (this.#making > 0 || this.#records.length > 0 || this.#working) {
      const left = deadline - Date.now()
      if (left <= 0 || this.#closed) return false
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#waiters.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    return true
  }

  #tellIdle(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }

  /** Takes no more captures, stores what is here for at most `timeoutMs`, and drops the rest. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true
    this.#wake?.()
    await this.flush(timeoutMs)
    if (this.#closed) return
    this.#closed = true
    await this.#drain?.close()
    for (const batch of [...this.#underWay, this.#records.splice(0)]) {
      for (const record of batch) this.#drop(record, 'closed')
    }
    this.#bytes = 0
    this.#wake?.()
    this.#next?.()
  }

  #drop(record: DeadLetterRecord, reason: string): void {
    const { reporter, onDrop } = this.#options
    if (reporter.hears(channels.deadLetterDropped)) {
      reporter.deadLetterDropped({ id: record.id, integration: record.name, reason })
    }
    try {
      onDrop?.(record, reason)
    } catch (error) {
      reporter.hookFailed('onDrop', error)
    }
  }

  #warnWithoutSpool(): void {
    this.#warn('deadLetter has no `spool`: while the store is away, captured calls wait in memory only')
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

function sizeOf(record: DeadLetterRecord): number {
  const { request, response, sealed } = record
  return (
    RECORD_BYTES +
    (request.body?.byteLength ?? 0) +
    (sealed?.data?.byteLength ?? 0) +
    (response?.body?.length ?? 0)
  )
}
