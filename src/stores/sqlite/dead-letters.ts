import { storable } from '../../dead-letter/record/json.ts'
import {
  isRepeatable,
  originOf,
  type DeadLetter,
  type DeadLetterRecord,
} from '../../dead-letter/record/record.ts'
import { type AddResult, emptyAddResult } from '../../dead-letter/store/add-result.ts'
import type { ClaimOptions } from '../../dead-letter/store/claim-options.ts'
import { reportEvicted } from '../../dead-letter/store/evicted.ts'
import { initialState, isReplayable } from '../../dead-letter/store/lifecycle.ts'
import type { DeadLetterQuery } from '../../dead-letter/store/query/query.ts'
import { lastCode } from '../../dead-letter/store/query/summary.ts'
import { NEVER_EVICTED, type Retention } from '../../dead-letter/store/retention.ts'
import type { Settlement, SettleResult } from '../../dead-letter/store/settlement.ts'
import type { AddOptions } from '../../dead-letter/store/sink.ts'
import type { DeadLetterStats } from '../../dead-letter/store/stats.ts'
import { StoreClosedError } from '../../dead-letter/store/store-closed.ts'
import type { ClaimResult, DeadLetterPage, DeadLetterStore } from '../../dead-letter/store/store.ts'
import { idsOption } from '../../options.ts'
import { SqliteClaims } from './claims.ts'
import type { SqliteDatabase } from './database.ts'
import { SqliteDeadLetterReader } from './reader.ts'
import type { Row } from './rows.ts'
import { DeadLetterTable, HELD, MAX_LEASE_MS, sizeOf } from './table.ts'

/** A record with what is kept of it. */
interface NewRow {
  readonly record: DeadLetterRecord
  readonly json: string
  readonly bytes: number
}

/** @throws {DeadLetterFormatError} for what could not be read back */
function rowOf(record: DeadLetterRecord): NewRow {
  const { json, bytes } = storable(record)
  return { record, json, bytes }
}

interface Evicted {
  readonly id: string
  readonly integration: string
}

/** What retention may remove, oldest first; takes what {@link HELD} takes. As the index says it, or it is not used. */
const EVICTABLE = `SELECT d.id, d.integration, d.bytes FROM dead_letters d
  WHERE d.reason <> '${NEVER_EVICTED}' AND NOT ${HELD}`
const OLDEST_FIRST = 'ORDER BY d.ts, d.id'

/** Rows per transaction: few enough not to hold up the event loop. */
const BATCH = 8

/** Rows that a claim evicts at most for their age. */
const MAX_AGED = 100

/** Dead letters in a SQLite file, durable when `add` resolves, shared by the processes of one machine. */
export class SqliteDeadLetters implements DeadLetterStore {
  readonly #retention: Retention
  readonly #table: DeadLetterTable
  readonly #reader: SqliteDeadLetterReader
  readonly #claims: SqliteClaims
  #closed = false
  #lastTurn: Promise<void> = Promise.resolve()

  constructor(file: SqliteDatabase, retention: Retention, now: () => number = Date.now) {
    this.#retention = retention
    this.#table = new DeadLetterTable(file, now)
    this.#reader = new SqliteDeadLetterReader(this.#table)
    this.#claims = new SqliteClaims(this.#table)
  }

  async add(records: readonly DeadLetterRecord[], options: AddOptions = {}): Promise<AddResult> {
    this.#open()
    const result = emptyAddResult()
    const writes: Promise<{ added: AddResult; gone: Evicted[] }>[] = []
    for (let start = 0; start < records.length; start += BATCH) {
      await this.#inTurn(async () => {
        const some = records.slice(start, start + BATCH).map(rowOf)
        const { promise: committed, resolve } = Promise.withResolvers<void>()
        const write = this.#table.write(() => this.#addSome(some, options), resolve)
        writes.push(write)
        // the next ones are written while the disk takes these; what fails is heard of below
        await Promise.race([committed, write.catch(() => undefined)])
      })
    }
    await Promise.allSettled(writes)
    for (const { added, gone } of await Promise.all(writes)) {
      result.kept.push(...added.kept)
      result.duplicates += added.duplicates
      result.settled.push(...added.settled)
      result.refused.push(...added.refused)
      for (const { id, integration } of gone) {
        result.evicted.push(id)
        reportEvicted(id, integration)
      }
    }
    return result
  }

  /** One after the other, with the event loop free in between, whoever adds at the same time. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    const before = this.#lastTurn
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#lastTurn = promise
    await before
    try {
      await work()
    } finally {
      setImmediate(resolve)
    }
  }

  #addSome(rows: readonly NewRow[], options: AddOptions): { added: AddResult; gone: Evicted[] } {
    const added = emptyAddResult()
    const gone = this.#evictAged(BATCH)
    for (const row of rows) {
      const { record } = row
      if (this.#table.get('SELECT 1 FROM dead_letter_tombstones WHERE id = ?', record.id)) {
        added.settled.push(record.id)
      } else if (this.#table.get('SELECT 1 FROM dead_letters WHERE id = ?', record.id)) {
        added.duplicates++
        added.kept.push(record.id)
      } else if (this.#insert(row, options, gone)) added.kept.push(record.id)
      else added.refused.push(record.id)
    }
    return { added, gone }
  }

  #insert({ record, json, bytes }: NewRow, options: AddOptions, evicted: Evicted[]): boolean {
    const { body } = record.request
    const sealed = record.sealed?.data
    if (!this.#makeRoom(bytes, evicted)) return false
    const state = initialState(record, options, this.#table.now())
    this.#table.run(
      `INSERT INTO dead_letters (id, ts, integration, origin, reason, code, labels, ordering_key, replayable, repeatable, bytes,
         status, due_at, note, record, body, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      record.id,
      record.timestamp,
      record.integration,
      originOf(record),
      record.reason,
      lastCode(record),
      record.labels === undefined ? null : JSON.stringify(record.labels),
      record.orderingKey ?? null,
      isReplayable(record) ? 1 : 0,
      isRepeatable(record) ? 1 : 0,
      bytes,
      state.status,
      state.dueAt,
      state.note ?? null,
      json,
      body ?? null,
      sealed ?? null,
    )
    this.#table.run(
      'UPDATE dead_letter_totals SET count = count + 1, bytes = bytes + ?, captured = captured + 1',
      bytes,
    )
    return true
  }

  /** Evicts no more than has to go, and nothing where that is not enough. */
  #makeRoom(bytes: number, evicted: Evicted[]): boolean {
    const { maxRecords, maxBytes } = this.#retention
    if (bytes > maxBytes) return false
    const totals = this.#table.totals()!
    let tooMany = totals.count + 1 - maxRecords
    let tooLarge = totals.bytes + bytes - maxBytes
    const oldest: Row[] = []
    const now = this.#table.now()
    while (tooMany > 0 || tooLarge > 0) {
      const rows = this.#table.all(
        `${EVICTABLE} ${OLDEST_FIRST} LIMIT ? OFFSET ?`,
        now,
        now + MAX_LEASE_MS,
        // mostly one; for the bytes of a large one twice as many each time
        Math.max(1, tooMany, oldest.length),
        oldest.length,
      )
      if (rows.length === 0) return false
      for (const row of rows) {
        if (tooMany <= 0 && tooLarge <= 0) break
        oldest.push(row)
        tooMany--
        tooLarge -= sizeOf(row) ?? 0
      }
    }
    for (const row of oldest) evicted.push(this.#evict(row))
    return true
  }

  #evictAged(most: number): Evicted[] {
    return this.#aged(most).map((row) => this.#evict(row))
  }

  #aged(most: number): Row[] {
    if (this.#retention.maxAgeMs === Infinity) return []
    const now = this.#table.now()
    return this.#table.all(
      `${EVICTABLE} AND d.ts < ? ${OLDEST_FIRST} LIMIT ?`,
      now,
      now + MAX_LEASE_MS,
      now - this.#retention.maxAgeMs,
      most,
    )
  }

  /** Where nothing is added for long, too, nothing is handed out that is too old to be there. */
  async #evictAgedNow(): Promise<void> {
    const [any] = await this.#table.read(() => this.#aged(1))
    if (any === undefined) return
    const gone = await this.#table.write(() => this.#evictAged(MAX_AGED))
    for (const { id, integration } of gone) reportEvicted(id, integration)
  }

  #evict(row: Row): Evicted {
    this.#table.remove(row)
    this.#table.run('UPDATE dead_letter_totals SET evicted = evicted + 1')
    return { id: String(row['id']), integration: String(row['integration']) }
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    this.#open()
    return this.#reader.get(id)
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    this.#open()
    return this.#reader.list(query)
  }

  async stats(): Promise<DeadLetterStats> {
    this.#open()
    return this.#reader.stats()
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    this.#open()
    // what is moved elsewhere is saved, however old it is
    if (options.purpose !== 'transfer') await this.#evictAgedNow()
    return this.#claims.claim(options)
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    this.#open()
    return this.#claims.renew(id, fence, leaseMs)
  }

  async settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    this.#open()
    return this.#claims.settle(id, fence, settlement)
  }

  async requeue(ids: readonly string[], options?: { delayMs?: number }): Promise<number> {
    this.#open()
    return this.#claims.requeue(idsOption(ids), options)
  }

  async discard(ids: readonly string[]): Promise<number> {
    idsOption(ids)
    this.#open()
    return this.#table.write(() => {
      let count = 0
      const now = this.#table.now()
      for (const id of ids) {
        const row = this.#table.get(
          `SELECT d.id, d.bytes FROM dead_letters d WHERE d.id = ? AND NOT (d.status = 'sending' AND ${HELD})`,
          id,
          now,
          now + MAX_LEASE_MS,
        )
        if (row === undefined) continue
        this.#table.remove(row)
        this.#table.bury(id)
        count++
      }
      this.#table.run('UPDATE dead_letter_totals SET discarded = discarded + ?', count)
      return count
    })
  }

  /** The file itself belongs to the store that opened it. */
  async close(): Promise<void> {
    this.#closed = true
    this.#table.close()
  }

  #open(): void {
    if (this.#closed) throw new StoreClosedError()
  }
}
