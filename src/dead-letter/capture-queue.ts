import { channels } from '../telemetry/channels.ts'
import { CaptureDelivery, type CaptureDeliveryOptions, type Drop } from './capture-delivery.ts'
import type { DeadLetterRecord } from './record.ts'

export interface CaptureQueueOptions extends CaptureDeliveryOptions {
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  readonly onDrop: Drop | undefined
}

const BATCH_RECORDS = 4000
const BATCH_BYTES = 8 * 1024 * 1024
/** Batches under way at the same time: one is made here while the store takes another. */
const MAX_UNDER_WAY = 4
/** What a record weighs beside its bodies: for the bound of the queue only. */
const RECORD_BYTES = 2048

/**
 * Records on their way to the store. `push` never waits, never throws, and never takes more memory than its bounds; the
 * rest happens in the background: batches to the store, to the spool when the store fails or takes too long, and when
 * both are away the records wait here until one is back.
 */
export class CaptureQueue {
  readonly #options: CaptureQueueOptions
  readonly #delivery: CaptureDelivery
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
  #closing = false
  #closed = false
  #waiters: (() => void)[] = []
  #wake: (() => void) | undefined

  constructor(options: CaptureQueueOptions) {
    this.#options = options
    this.#delivery = new CaptureDelivery(options, (record, reason) => {
      // `close` has dropped already what was under way
      if (!this.#closed) this.#drop(record, reason)
    })
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
      const most = this.#delivery.failing ? 1 : MAX_UNDER_WAY
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
    const left = await this.#delivery.keep(batch)
    this.#underWay.delete(batch)
    // `close` has dropped what was under way when its time was up
    if (this.#closed) return
    for (const record of batch) this.#bytes -= sizeOf(record)
    for (const record of left) this.#bytes += sizeOf(record)
    if (left.length > 0) {
      this.#records = [...left, ...this.#records]
      this.#stuck = true
    }
    this.#next?.()
  }

  /** Until the store is worth another look; not longer than a moment while closing. */
  async #pause(): Promise<void> {
    const wait = Math.max(10, this.#delivery.waitMs)
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      // unref'd: an outage must not keep a process alive that has nothing else to do and did not call `close`
      setTimeout(resolve, this.#closing ? Math.min(wait, 100) : wait).unref()
    })
    this.#wake = undefined
    this.#stuck = false
    if (this.#closing) this.#delivery.tryNow()
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
    await this.#delivery.close()
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
