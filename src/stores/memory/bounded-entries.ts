import { reportEvicted } from '../../dead-letter/evicted.ts'
import { initialState } from '../../dead-letter/lifecycle.ts'
import { recordToJson } from '../../dead-letter/record-json.ts'
import type { DeadLetterRecord, DeadLetterState } from '../../dead-letter/record.ts'
import type { Retention } from '../../dead-letter/retention.ts'
import type { AddOptions } from '../../dead-letter/store.ts'

const MAX_TOMBSTONES = 10_000

export interface Entry {
  readonly record: DeadLetterRecord
  readonly bytes: number
  state: DeadLetterState
  fence: number
  leaseUntil: number
}

/** Entries within their bounds: by count, bytes and age; and the ids of those that are gone for good. */
export class BoundedEntries {
  readonly #retention: Retention
  readonly #now: () => number
  /** In the order of adding, which is the order of eviction. */
  readonly #entries = new Map<string, Entry>()
  readonly #tombstones = new Set<string>()
  bytes = 0
  evicted = 0

  constructor(retention: Retention, now: () => number) {
    this.#retention = retention
    this.#now = now
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

  isBuried(id: string): boolean {
    return this.#tombstones.has(id)
  }

  clear(): void {
    this.#entries.clear()
    this.bytes = 0
  }

  /** Makes room and keeps the record; false when there is no room to be made. */
  insert(record: DeadLetterRecord, options: AddOptions, evicted: string[]): boolean {
    const { maxBytes, maxRecords } = this.#retention
    const bytes =
      Buffer.byteLength(recordToJson(record)) +
      (record.request.body?.byteLength ?? 0) +
      (record.sealed?.data?.byteLength ?? 0)
    if (bytes > maxBytes) return false
    while (this.#entries.size >= maxRecords || this.bytes + bytes > maxBytes) {
      const oldest = this.#oldestFree()
      if (oldest === undefined) return false
      this.#evict(oldest, evicted)
    }
    this.#entries.set(record.id, {
      record,
      bytes,
      state: initialState(record, options),
      fence: 0,
      leaseUntil: 0,
    })
    this.bytes += bytes
    return true
  }

  #oldestFree(): Entry | undefined {
    for (const entry of this.#entries.values()) if (!this.held(entry)) return entry
    return undefined
  }

  held(entry: Entry): boolean {
    return (
      (entry.state.status === 'leased' || entry.state.status === 'sending') && entry.leaseUntil > this.#now()
    )
  }

  #evict(entry: Entry, evicted: string[]): void {
    this.remove(entry)
    this.evicted++
    evicted.push(entry.record.id)
    reportEvicted(entry.record.id, entry.record.name)
  }

  evictAged(evicted: string[]): void {
    if (this.#retention.maxAgeMs === Infinity) return
    const before = this.#now() - this.#retention.maxAgeMs
    for (const entry of this.#entries.values()) {
      if (entry.record.timestamp < before && !this.held(entry)) this.#evict(entry, evicted)
    }
  }

  remove(entry: Entry): void {
    this.#entries.delete(entry.record.id)
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
