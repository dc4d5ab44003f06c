import { checkClaim } from '../../dead-letter/claim-options.ts'
import { checkQuery, encodeCursor, matchesFilter, summaryOf } from '../../dead-letter/filter.ts'
import { isSendable, lapse, leased, maySettle, requeued, settled } from '../../dead-letter/lifecycle.ts'
import {
  isRepeatable,
  type ClaimedDeadLetter,
  type DeadLetter,
  type DeadLetterRecord,
} from '../../dead-letter/record.ts'
import { checkRetention, type Retention } from '../../dead-letter/retention.ts'
import { StoreClosedError } from '../../dead-letter/store-closed.ts'
import type {
  AddOptions,
  AddResult,
  ClaimOptions,
  ClaimResult,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterStats,
  DeadLetterStore,
  RetentionOptions,
  Settlement,
  SettleResult,
} from '../../dead-letter/store.ts'
import { durationOption, objectOption } from '../../options.ts'
import { BoundedEntries, type Entry } from './bounded-entries.ts'

export interface MemoryDeadLettersOptions extends RetentionOptions {
  /** Epoch milliseconds; default `Date.now`. */
  now?: () => number
}

const defaults: Retention = { maxRecords: 1000, maxBytes: 64 * 1024 * 1024, maxAgeMs: Infinity }

/**
 * Dead letters in this process: for tests, for tools, and as the default where nothing else is configured. They end
 * with the process. At most `maxRecords` (1,000) and `maxBytes` (64 MiB) are kept, the oldest are evicted.
 */
export function memoryDeadLetters(options: MemoryDeadLettersOptions = {}): DeadLetterStore {
  objectOption('memoryDeadLetters', options, ['maxRecords', 'maxBytes', 'maxAgeMs', 'now'])
  return new MemoryDeadLetters(checkRetention(options, defaults), options.now ?? Date.now)
}

class MemoryDeadLetters implements DeadLetterStore {
  readonly #now: () => number
  readonly #entries: BoundedEntries
  #fence = 0
  #closed = false
  readonly #counters = { captured: 0, replayed: 0, discarded: 0 }

  constructor(retention: Retention, now: () => number) {
    this.#entries = new BoundedEntries(retention, now)
    this.#now = now
  }

  async add(records: readonly DeadLetterRecord[], options: AddOptions = {}): Promise<AddResult> {
    this.#open()
    const result = {
      kept: [] as string[],
      settled: [] as string[],
      evicted: [] as string[],
      refused: [] as string[],
    }
    let duplicates = 0
    this.#entries.evictAged(result.evicted)
    for (const record of records) {
      if (this.#entries.isBuried(record.id)) {
        result.settled.push(record.id)
      } else if (this.#entries.get(record.id) !== undefined) {
        duplicates++
        result.kept.push(record.id)
      } else if (this.#entries.insert(record, options, result.evicted)) {
        this.#counters.captured++
        result.kept.push(record.id)
      } else {
        result.refused.push(record.id)
      }
    }
    return { ...result, duplicates }
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    this.#open()
    const entry = this.#entries.get(id)
    return entry === undefined ? undefined : { ...entry.record, ...entry.state }
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    this.#open()
    const { filter, limit, after } = checkQuery(query)
    const found = [...this.#entries.values()]
      .map(withoutBodies)
      .filter((item) => matchesFilter(summaryOf(item), filter))
      .sort(newestFirst)
    const start = after === undefined ? 0 : found.findIndex((item) => newestFirst(item, after) > 0)
    if (start === -1) return { items: [] }
    const items = found.slice(start, start + limit)
    return found.length > start + limit ? { items, cursor: encodeCursor(items.at(-1)!) } : { items }
  }

  async stats(): Promise<DeadLetterStats> {
    this.#open()
    const byStatus = { pending: 0, leased: 0, sending: 0, in_doubt: 0, quarantined: 0 }
    let due = 0
    let oldest: number | undefined
    const now = this.#now()
    for (const { record, state } of this.#entries.values()) {
      byStatus[state.status]++
      if (state.status === 'pending' && state.dueAt <= now) due++
      if (oldest === undefined || record.timestamp < oldest) oldest = record.timestamp
    }
    return {
      total: this.#entries.size,
      byStatus,
      bytes: this.#entries.bytes,
      oldest,
      due,
      counters: { ...this.#counters, evicted: this.#entries.evicted },
    }
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    this.#open()
    const request = checkClaim(options)
    const { limit, leaseMs, filter, ids, transfer } = request
    const now = this.#now()
    this.#entries.evictAged([])
    const candidates: Entry[] = []
    for (const entry of this.#entries.values()) {
      const { status } = entry.state
      if (status === 'leased' || status === 'sending') {
        if (entry.leaseUntil > now) continue
        const { record, leaseUntil } = entry
        entry.state = lapse(entry.state, { repeatable: isRepeatable(record), leaseUntil, now }, request)
      }
      if (ids !== undefined && !ids.includes(entry.record.id)) continue
      if (filter !== undefined && !matchesFilter(summaryOf({ ...entry.record, ...entry.state }), filter))
        continue
      if (transfer) candidates.push(entry)
      else if (!isSendable(entry.record)) continue
      else if (ids !== undefined || (entry.state.status === 'pending' && entry.state.dueAt <= now))
        candidates.push(entry)
    }
    const items: ClaimedDeadLetter[] = []
    for (const entry of candidates.sort(dueFirst)) {
      if (items.length === limit) break
      if (!transfer && this.#isBlocked(entry)) continue
      entry.state = leased(entry.state)
      entry.fence = ++this.#fence
      entry.leaseUntil = now + leaseMs
      items.push({ ...entry.record, ...entry.state, fence: entry.fence, leaseUntil: entry.leaseUntil })
    }
    return { items, corrupt: [] }
  }

  /** An entry with an ordering key waits until no older one with the same key is left. */
  #isBlocked({ record }: Entry): boolean {
    if (record.orderingKey === undefined) return false
    for (const other of this.#entries.values()) {
      if (other.record.orderingKey === record.orderingKey && other.record.id < record.id) return true
    }
    return false
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    this.#open()
    durationOption('leaseMs', leaseMs, 1)
    const entry = this.#claimed(id, fence)
    if (entry === undefined) return false
    entry.state = { ...entry.state, status: 'sending' }
    entry.leaseUntil = this.#now() + leaseMs
    return true
  }

  #claimed(id: string, fence: number): Entry | undefined {
    const entry = this.#entries.get(id)
    if (entry?.fence !== fence) return undefined
    return entry.state.status === 'leased' || entry.state.status === 'sending' ? entry : undefined
  }

  async settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    this.#open()
    const entry = this.#entries.get(id)
    if (entry === undefined) return 'gone'
    if (entry.fence !== fence || !maySettle(entry.state, settlement)) return 'stale'
    const { result, state } = settled(entry.state, settlement, this.#now())
    if (state === undefined) {
      this.#entries.remove(entry)
      this.#entries.bury(id)
      this.#counters.replayed++
    } else {
      entry.state = state
    }
    return result
  }

  async requeue(ids: readonly string[], options: { delayMs?: number } = {}): Promise<number> {
    this.#open()
    let count = 0
    for (const id of ids) {
      const entry = this.#entries.get(id)
      const state =
        entry && requeued(entry.state, isSendable(entry.record), this.#now() + (options.delayMs ?? 0))
      if (entry === undefined || state === undefined) continue
      entry.state = state
      count++
    }
    return count
  }

  async discard(ids: readonly string[]): Promise<number> {
    this.#open()
    let count = 0
    for (const id of ids) {
      const entry = this.#entries.get(id)
      if (entry === undefined || (entry.state.status === 'sending' && this.#entries.held(entry))) continue
      this.#entries.remove(entry)
      this.#entries.bury(id)
      this.#counters.discarded++
      count++
    }
    return count
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#entries.clear()
  }

  #open(): void {
    if (this.#closed) throw new StoreClosedError()
  }
}

function withoutBodies({ record, state }: Entry): DeadLetter {
  const { request, sealed, ...rest } = record
  const { body: _body, ...bare } = request
  return {
    ...rest,
    request: bare,
    ...(sealed === undefined ? {} : { sealed: { keyId: sealed.keyId } }),
    ...state,
  }
}

function newestFirst(a: { timestamp: number; id: string }, b: { timestamp: number; id: string }): number {
  return b.timestamp - a.timestamp || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0)
}

function dueFirst(a: Entry, b: Entry): number {
  return a.state.dueAt - b.state.dueAt || (a.record.id < b.record.id ? -1 : 1)
}
