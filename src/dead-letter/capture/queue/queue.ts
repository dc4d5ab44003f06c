import { channels, type DeadLetterDroppedEvent } from '../../../telemetry/channels.ts'
import type { DroppedCall } from '../../../telemetry/reporter.ts'
import { isDoneWithin } from '../../../time/time-limit.ts'
import type { DeadLetterRecord } from '../../record/record.ts'
import { sizeOfRecord } from '../../record/size.ts'
import { CaptureBudget, type Reservation } from './budget.ts'
import { CaptureWriter, type CaptureWriterOptions } from './writer.ts'

export interface CaptureQueueOptions extends CaptureWriterOptions {
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  readonly onDrop: ((record: DeadLetterRecord, reason: string, sink?: string) => void) | undefined
}

const BATCH_RECORDS = 4000
const BATCH_BYTES = 8 * 1024 * 1024
/** The wait before what neither store nor spool took is tried again: doubles up to the second number. */
const RETRY_MS = [100, 15_000] as const
/** The same while closing. */
const CLOSING_RETRY_MS = 100

interface Queued {
  readonly record: DeadLetterRecord
  readonly reservation: Reservation
  /** Since when it waits, `performance.now()` milliseconds. */
  readonly since: number
}

/**
 * Records on their way to the store. It never waits for anything, never throws, and never takes more memory than its
 * bounds, which are asked before a record is made; the rest happens in the background: batches to the store, to the spool
 * when the store fails or takes too long, and when both fail the records wait here until one works again. What is new
 * does not wait behind them.
 */
export class CaptureQueue {
  readonly #options: CaptureQueueOptions
  readonly #writer: CaptureWriter
  readonly #budget: CaptureBudget
  /** To be written. */
  #queued: Queued[] = []
  /** Neither store nor spool took them. */
  #waiting: Queued[] = []
  #retries = 0
  #retryTimer: NodeJS.Timeout | undefined
  /** Records that are still being made: their bodies are being read. */
  #making = 0
  #working = false
  /** Batches that are being written. */
  readonly #inFlight = new Set<readonly Queued[]>()
  /** Wakes `#work` when a batch or a record has come. */
  #next: (() => void) | undefined
  #closing = false
  #closed = false
  /** Called when nothing is queued, being made or being written. */
  #whenIdle: (() => void)[] = []

  constructor(options: CaptureQueueOptions) {
    this.#options = options
    this.#budget = new CaptureBudget(options.maxQueued, options.maxQueuedBytes)
    this.#writer = new CaptureWriter(
      options,
      (record, reason) => {
        // `close` has dropped already what was in flight
        if (!this.#closed) this.#drop(record, reason)
      },
      () => this.#next?.(),
    )
  }

  /** Whether captures are still taken. */
  get open(): boolean {
    return !this.#closing
  }

  /** Room for a record of so many bytes, to be had before any of it is copied; `undefined` when there is none. */
  reserve(bytes: number): Reservation | undefined {
    return this.#budget.reserve(bytes)
  }

  /**
   * Queues what `make` resolves to, nothing where that is `undefined`; the reservation is given back when that is durable,
   * dropped, or not made.
   */
  async capture(reservation: Reservation, make: () => Promise<DeadLetterRecord | undefined>): Promise<void> {
    this.#making++
    try {
      const record = await make()
      if (record === undefined) reservation.release()
      else this.#push(record, reservation)
    } catch (error) {
      reservation.release()
      // a capture must not become an unhandled rejection of the application
      this.#options.reporter.hookFailed('deadLetter', error)
    } finally {
      this.#making--
      this.#checkIdle()
    }
  }

  /** Queues a record that is made already. */
  push(record: DeadLetterRecord): void {
    const reservation = this.reserve(sizeOfRecord(record))
    if (reservation === undefined) this.#drop(record, 'queue-full')
    else this.#push(record, reservation)
  }

  #push(record: DeadLetterRecord, reservation: Reservation): void {
    if (this.#closed) {
      reservation.release()
      this.#drop(record, 'closed')
      return
    }
    reservation.resize(sizeOfRecord(record))
    this.#queued.push({ record, reservation, since: performance.now() })
    this.#wake()
  }

  #wake(): void {
    if (this.#working) this.#next?.()
    else void this.#work()
  }

  async #work(): Promise<void> {
    this.#working = true
    // captures of one moment share a batch
    await new Promise((resolve) => setImmediate(resolve))
    while ((this.#queued.length > 0 || this.#inFlight.size > 0) && !this.#closed) {
      const most = this.#writer.mostInFlight
      if (this.#queued.length > 0 && this.#inFlight.size < most) {
        const gatherMs = this.#writer.gatherMs(this.#inFlight.size)
        if (gatherMs > 0) await new Promise((resolve) => setTimeout(resolve, gatherMs))
        if (this.#queued.length > 0) void this.#deliver(this.#take())
      } else await new Promise<void>((resolve) => (this.#next = resolve))
    }
    this.#working = false
    this.#checkIdle()
  }

  #take(): Queued[] {
    let bytes = 0
    let count = 0
    while (count < this.#queued.length && count < BATCH_RECORDS && (count === 0 || bytes < BATCH_BYTES)) {
      bytes += this.#queued[count++]!.reservation.bytes
    }
    return this.#queued.splice(0, count)
  }

  async #deliver(batch: readonly Queued[]): Promise<void> {
    this.#inFlight.add(batch)
    const records = batch.map(({ record }) => record)
    const { left, held } = await this.#writer.write(records, performance.now() - batch[0]!.since)
    this.#inFlight.delete(batch)
    // `close` has dropped what was in flight when its time was up
    if (this.#closed) return
    const waits = new Set(left)
    for (const one of batch) {
      if (waits.has(one.record)) this.#waiting.push(one)
      else if (held === undefined) one.reservation.release()
      else void held.then(one.reservation.release)
    }
    if (this.#waiting.length === 0) this.#retries = 0
    else this.#retryLater()
    this.#next?.()
  }

  #retryLater(): void {
    if (this.#retryTimer !== undefined) return
    const [first, most] = RETRY_MS
    const wait = Math.max(this.#writer.waitMs, Math.min(most, first * 2 ** this.#retries++))
    // unref'd: an outage must not keep a process alive that has nothing else to do and did not call `close`
    this.#retryTimer = setTimeout(
      () => this.#retry(),
      this.#closing ? Math.min(wait, CLOSING_RETRY_MS) : wait,
    ).unref()
  }

  #retry(): void {
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    if (this.#waiting.length === 0 || this.#closed) return
    if (this.#closing) this.#writer.tryNow()
    this.#queued = [...this.#waiting, ...this.#queued]
    this.#waiting = []
    this.#wake()
  }

  /** Resolves to whether everything captured so far is kept, within `timeoutMs`. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (this.#idle) return true
    if (this.#closed) return false
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenIdle.push(resolve)
    return (await isDoneWithin(promise, timeoutMs)) && this.#idle
  }

  /**
   * As `flush`, and waits for a store that is only slow too, so that what was captured is found there. Resolves in
   * `timeoutMs` at the latest.
   */
  async settle(timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs
    await this.flush(timeoutMs)
    await this.#writer.answered(Math.max(0, until - performance.now()))
  }

  get #idle(): boolean {
    return this.#making === 0 && this.#queued.length === 0 && this.#waiting.length === 0 && !this.#working
  }

  #checkIdle(): void {
    if (this.#idle || this.#closed) for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** Takes no more captures, stores what is here for at most `timeoutMs`, and drops the rest. */
  async close(timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs
    this.#closing = true
    this.#retry()
    await this.flush(timeoutMs)
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#retryTimer)
    for (const batch of [...this.#inFlight, this.#waiting.splice(0), this.#queued.splice(0)]) {
      for (const { record, reservation } of batch) {
        reservation.release()
        this.#drop(record, 'closed')
      }
    }
    this.#next?.()
    await this.#writer.close(Math.max(0, until - performance.now()))
  }

  /** Tells of a call for whose record there was no room; `make` makes a record without its bodies, for `onDrop`. */
  refuse(id: string, integration: string, call: () => DroppedCall, make: () => DeadLetterRecord): void {
    this.#tellDropped({ id, integration, reason: 'queue-full' }, call)
    const { onDrop, reporter } = this.#options
    if (onDrop !== undefined) reporter.guard('onDrop', undefined, () => onDrop(make(), 'queue-full'))
  }

  #drop(record: DeadLetterRecord, reason: string): void {
    const { reporter, onDrop, sink } = this.#options
    const { id, integration } = record
    const event = { id, integration, reason, ...(sink === undefined ? {} : { sink }) }
    this.#tellDropped(event, () => callOf(record))
    if (onDrop === undefined) return
    if (sink === undefined) reporter.guard('onDrop', undefined, onDrop, record, reason)
    else reporter.guard('onDrop', undefined, onDrop, record, reason, sink)
  }

  #tellDropped(event: DeadLetterDroppedEvent, call: () => DroppedCall): void {
    const { reporter } = this.#options
    if (reporter.hears(channels.deadLetterDropped)) reporter.deadLetterDropped(event, call())
  }
}

function callOf({ request, response, error, attempts, reason, labels }: DeadLetterRecord): DroppedCall {
  return {
    method: request.method,
    url: request.url,
    attempts,
    statusCode: response?.statusCode,
    code: error.code,
    labels,
    callReason: reason,
  }
}
