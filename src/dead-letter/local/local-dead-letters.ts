import { type Checks, resolveOptions } from '../../checks.ts'
import { durationOption, functionOption, idsOption } from '../../options.ts'
import {
  isRepeatable,
  type ClaimedDeadLetter,
  type DeadLetter,
  type DeadLetterRecord,
} from '../record/record.ts'
import { type AddResult, emptyAddResult } from '../store/add-result.ts'
import { checkClaim, type ClaimOptions } from '../store/claim-options.ts'
import { type ClaimScope, lapse, leased, mayClaim, maySettle, requeued, settled } from '../store/lifecycle.ts'
import { encodeCursor, newestFirst } from '../store/query/cursor.ts'
import { matchesFilter } from '../store/query/filter.ts'
import { checkQuery, type DeadLetterQuery } from '../store/query/query.ts'
import { summaryOf } from '../store/query/summary.ts'
import { type Retention, retentionChecks, type RetentionOptions } from '../store/retention.ts'
import type { Settlement, SettleResult } from '../store/settlement.ts'
import type { AddOptions } from '../store/sink.ts'
import { type DeadLetterStats, noneByStatus } from '../store/stats.ts'
import { StoreClosedError } from '../store/store-closed.ts'
import type { ClaimResult, DeadLetterPage, DeadLetterStore } from '../store/store.ts'
import { BoundedEntries, type Entry } from './bounded-entries.ts'

export interface LocalDeadLettersOptions extends RetentionOptions {
  /** Epoch milliseconds. Default: the wall clock, and for leases a steady one, which no step of it moves. */
  now?: (() => number) | undefined
}

export interface LocalDeadLettersPolicy extends Retention {
  readonly now: (() => number) | undefined
}

export const localDeadLettersChecks: Checks<LocalDeadLettersOptions, LocalDeadLettersPolicy> = {
  ...retentionChecks({ maxRecords: 1000, maxBytes: 64 * 1024 * 1024, maxAgeMs: Infinity }),
  now: functionOption,
}

/**
 * Dead letters in this process: for tests, for tools, and as the default where nothing else is configured. They end
 * with the process. At most `maxRecords` (1,000) and `maxBytes` (64 MiB) are kept, the oldest are evicted.
 */
export function localDeadLetters(options: LocalDeadLettersOptions = {}): DeadLetterStore {
  const { now, ...retention } = resolveOptions('localDeadLetters', localDeadLettersChecks, options)
  return new LocalDeadLetters(retention, now ?? (() => Date.now()), now ?? steadyEpoch)
}

/**
 * Whether what is added ends with this process. A store of one's own around it, with an `add` of its own, is another:
 * it may fail, or keep what it is given.
 */
export function isInMemory(store: DeadLetterStore): boolean {
  return store.add === LocalDeadLetters.prototype.add || (store as { inMemory?: unknown }).inMemory === true
}

function steadyEpoch(): number {
  return Math.round(performance.timeOrigin + performance.now())
}

class LocalDeadLetters implements DeadLetterStore {
  readonly #now: () => number
  /** By which leases end: what is held must not be handed on, nor stay held, because somebody set the clock. */
  readonly #leaseNow: () => number
  readonly #entries: BoundedEntries
  #fence = 0
  #closed = false
  readonly #counters = { captured: 0, replayed: 0, discarded: 0 }

  constructor(retention: Retention, now: () => number, leaseNow: () => number) {
    this.#entries = new BoundedEntries(retention, now, leaseNow)
    this.#now = now
    this.#leaseNow = leaseNow
  }

  async add(records: readonly DeadLetterRecord[], options: AddOptions = {}): Promise<AddResult> {
    this.#open()
    const result = emptyAddResult()
    this.#entries.evictAged(result.evicted)
    for (const record of records) {
      if (this.#entries.isBuried(record.id)) {
        result.settled.push(record.id)
      } else if (this.#entries.get(record.id) !== undefined) {
        result.duplicates++
        result.kept.push(record.id)
      } else if (this.#entries.insert(record, options, result.evicted)) {
        this.#counters.captured++
        result.kept.push(record.id)
      } else {
        result.refused.push(record.id)
      }
    }
    return result
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
    const byStatus = noneByStatus()
    let due = 0
    let oldest: number | undefined
    const now = this.#now()
    const heads = this.#entries.heads()
    for (const entry of this.#entries.values()) {
      const { record, state } = entry
      byStatus[state.status]++
      if (mayClaim(state, entry.replayable, WHAT_IS_DUE, now) && !isBehind(entry, heads)) due++
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
    if (!transfer) this.#entries.evictAged([])
    const candidates: Entry[] = []
    for (const entry of this.#entries.values()) {
      const { status } = entry.state
      if (status === 'leased' || status === 'sending') {
        const sinceMs = this.#leaseNow() - entry.leaseUntil
        if (sinceMs < 0) continue
        const { record } = entry
        const leaseUntil = now - sinceMs
        entry.state = lapse(entry.state, { repeatable: isRepeatable(record), leaseUntil, now }, request)
      }
      if (ids !== undefined && !ids.includes(entry.record.id)) continue
      if (filter !== undefined && !matchesFilter(summaryOf({ ...entry.record, ...entry.state }), filter)) {
        continue
      }
      if (mayClaim(entry.state, entry.replayable, request, now)) candidates.push(entry)
    }
    const heads = transfer ? undefined : this.#entries.heads()
    const items: ClaimedDeadLetter[] = []
    for (const entry of candidates.sort(dueFirst)) {
      if (items.length === limit) break
      if (heads !== undefined && isBehind(entry, heads)) continue
      entry.state = leased(entry.state)
      entry.fence = ++this.#fence
      entry.leaseUntil = this.#leaseNow() + leaseMs
      items.push({ ...entry.record, ...entry.state, fence: entry.fence, leaseUntil: entry.leaseUntil })
    }
    return { items, corrupt: [] }
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    this.#open()
    durationOption('leaseMs', leaseMs, 1)
    const entry = this.#claimed(id, fence)
    if (entry === undefined) return false
    entry.state = { ...entry.state, status: 'sending' }
    entry.leaseUntil = this.#leaseNow() + leaseMs
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
    idsOption(ids)
    this.#open()
    let count = 0
    for (const id of ids) {
      const entry = this.#entries.get(id)
      const state = entry && requeued(entry.state, entry.replayable, this.#now(), options.delayMs)
      if (entry === undefined || state === undefined) continue
      entry.state = state
      count++
    }
    return count
  }

  async discard(ids: readonly string[]): Promise<number> {
    idsOption(ids)
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

/** An entry with an ordering key waits until no older one with the same key is left. */
function isBehind({ id, record }: Entry, heads: ReadonlyMap<string, string>): boolean {
  return record.orderingKey !== undefined && heads.get(record.orderingKey) !== id
}

const WHAT_IS_DUE: ClaimScope = { ids: undefined, transfer: false }

function dueFirst(a: Entry, b: Entry): number {
  return a.state.dueAt - b.state.dueAt || (a.record.id < b.record.id ? -1 : 1)
}
