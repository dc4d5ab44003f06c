import { storable } from '../record/json.ts'
import type { DeadLetterRecord, DeadLetterState } from '../record/record.ts'
import { reportEvicted } from '../store/evicted.ts'
import { initialState, isReplayable } from '../store/lifecycle.ts'
import { mayBeEvicted, type Retention } from '../store/retention.ts'
import type { AddOptions } from '../store/sink.ts'

const MAX_TOMBSTONES = 10_000

export interface Entry {
  readonly id: string
  /** A copy: who has added it may change theirs. */
  readonly record: DeadLetterRecord
  readonly replayable: boolean
  readonly bytes: number
  state: DeadLetterState
  fence: number
  leaseUntil: number
}

/** Entries within their bounds: by count, bytes and age; and the ids of those that are gone for good. */
export class BoundedEntries {
  readonly #retention: Retention
  readonly #now: () => number
  readonly #leaseNow: () => number
  readonly #entries = new Map<string, Entry>()
  /** Of them those that may be evicted; the oldest first, unless one came late. */
  #evictable = new Map<string, Entry>()
  #newest: Age | undefined
  #isInOrder = true
  readonly #tombstones = new Set<string>()
  bytes = 0
  evicted = 0

  /** @param leaseNow the clock by which leases end */
  constructor(retention: Retention, now: () => number, leaseNow: () => number) {
    this.#retention = retention
    this.#now = now
    this.#leaseNow = leaseNow
  }

  get size(): number {
    return this.#entries.size
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id)
  }

  values(): IterableIterator<Entry> {
    return this.#entries.values()
  }

  /** The oldest entry of each ordering key: the others wait for it. */
  heads(): ReadonlyMap<string, string> {
    const heads = new Map<string, string>()
    for (const { id, record } of this.#entries.values()) {
      const { orderingKey } = record
      if (orderingKey === undefined) continue
      const head = heads.get(orderingKey)
      if (head === undefined || id < head) heads.set(orderingKey, id)
    }
    return heads
  }

  isBuried(id: string): boolean {
    return this.#tombstones.has(id)
  }

  clear(): void {
    this.#entries.clear()
    this.#evictable.clear()
    this.bytes = 0
  }

  /** Makes room and keeps the record; false when there is no room to be made. */
  insert(record: DeadLetterRecord, options: AddOptions, evicted: string[]): boolean {
    const { copy, bytes } = storable(record)
    if (!this.#makeRoom(bytes, evicted)) return false
    const entry: Entry = {
      id: copy.id,
      record: copy,
      replayable: isReplayable(copy),
      bytes,
      state: initialState(record, options, this.#now()),
      fence: 0,
      leaseUntil: 0,
    }
    this.#entries.set(copy.id, entry)
    if (mayBeEvicted(copy)) {
      this.#evictable.set(copy.id, entry)
      const { id, record } = entry
      const age = { id, record: { timestamp: record.timestamp } }
      if (this.#newest === undefined || oldestFirst(this.#newest, age) < 0) this.#newest = age
      else this.#isInOrder = false
    }
    this.bytes += bytes
    return true
  }

  /** Evicts no more than has to go, and nothing where that is not enough. */
  #makeRoom(bytes: number, evicted: string[]): boolean {
    const { maxBytes, maxRecords } = this.#retention
    if (bytes > maxBytes) return false
    let tooMany = this.#entries.size + 1 - maxRecords
    let tooLarge = this.bytes + bytes - maxBytes
    const oldest: Entry[] = []
    for (const entry of this.#oldestFirst()) {
      if (tooMany <= 0 && tooLarge <= 0) break
      if (this.held(entry)) continue
      oldest.push(entry)
      tooMany--
      tooLarge -= entry.bytes
    }
    if (tooMany > 0 || tooLarge > 0) return false
    for (const entry of oldest) this.#evict(entry, evicted)
    return true
  }

  /** In the order of eviction: nearly always that of adding, which costs nothing. */
  #oldestFirst(): IterableIterator<Entry> {
    if (!this.#isInOrder) {
      const sorted = [...this.#evictable.values()].sort(oldestFirst)
      this.#evictable = new Map(sorted.map((entry) => [entry.id, entry]))
      this.#isInOrder = true
    }
    return this.#evictable.values()
  }

  held(entry: Entry): boolean {
    return (
      (entry.state.status === 'leased' || entry.state.status === 'sending') &&
      entry.leaseUntil > this.#leaseNow()
    )
  }

  #evict(entry: Entry, evicted: string[]): void {
    this.remove(entry)
    this.evicted++
    evicted.push(entry.id)
    reportEvicted(entry.id, entry.record.integration)
  }

  evictAged(evicted: string[]): void {
    if (this.#retention.maxAgeMs === Infinity) return
    const before = this.#now() - this.#retention.maxAgeMs
    for (const entry of this.#oldestFirst()) {
      if (entry.record.timestamp >= before) return
      if (!this.held(entry)) this.#evict(entry, evicted)
    }
  }

  remove(entry: Entry): void {
    this.#entries.delete(entry.id)
    this.#evictable.delete(entry.id)
    this.bytes -= entry.bytes
  }

  bury(id: string): void {
    this.#tombstones.add(id)
    if (this.#tombstones.size <= MAX_TOMBSTONES) return
    for (const oldest of this.#tombstones) {
      this.#tombstones.delete(oldest)
      return
    }
  }
}

interface Age {
  readonly id: string
  readonly record: Pick<DeadLetterRecord, 'timestamp'>
}

function oldestFirst(a: Age, b: Age): number {
  return a.record.timestamp - b.record.timestamp || (a.id < b.id ? -1 : 1)
}
