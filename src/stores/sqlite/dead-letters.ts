import { setImmediate as breathe } from 'node:timers/promises'
import { reportEvicted } from '../../dead-letter/evicted.ts'
import { checkQuery, encodeCursor, lastCode } from '../../dead-letter/filter.ts'
import { initialState, isSendable } from '../../dead-letter/lifecycle.ts'
import { DeadLetterFormatError, recordToJson } from '../../dead-letter/record-json.ts'
import { isRepeatable, originOf, type DeadLetter, type DeadLetterRecord } from '../../dead-letter/record.ts'
import type { Retention } from '../../dead-letter/retention.ts'
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
  Settlement,
  SettleResult,
} from '../../dead-letter/store.ts'
import { SqliteClaims } from './claims.ts'
import type { SqliteDatabase } from './database.ts'
import { conditions, deadLetterOf, type Row } from './rows.ts'
import { DeadLetterTable, read, STATE } from './table.ts'

/** Rows per transaction: enough to share one fsync, few enough not to hold up the event loop. */
const BATCH = 100

const HELD = "(d.status IN ('leased', 'sending') AND d.lease_until > ?)"

/** Dead letters in a SQLite file, durable when `add` resolves, shared by the processes of one machine. */
export class SqliteDeadLetters implements DeadLetterStore {
  readonly #retention: Retention
  readonly #table: DeadLetterTable
  readonly #claims: SqliteClaims
  #closed = false

  constructor(file: SqliteDatabase, retention: Retention, now: () => number = Date.now) {
    this.#retention = retention
    this.#table = new DeadLetterTable(file, now)
    this.#claims = new SqliteClaims(this.#table)
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
    for (let start = 0; start < records.length; start += BATCH) {
      if (start > 0) await breathe()
      const evicted = await this.#table.write(() => {
        const gone = this.#evictAged()
        for (const record of records.slice(start, start + BATCH)) {
          if (this.#table.get('SELECT 1 FROM dead_letter_tombstones WHERE id = ?', record.id))
            result.settled.push(record.id)
          else if (this.#table.get('SELECT 1 FROM dead_letters WHERE id = ?', record.id)) {
            duplicates++
            result.kept.push(record.id)
          } else if (this.#insert(record, options, gone)) result.kept.push(record.id)
          else result.refused.push(record.id)
        }
        return gone
      })
      for (const { id, name } of evicted) {
        result.evicted.push(id)
        reportEvicted(id, name)
      }
    }
    return { ...result, duplicates }
  }

  #insert(record: DeadLetterRecord, options: AddOptions, evicted: { id: string; name: string }[]): boolean {
    const { maxRecords, maxBytes } = this.#retention
    const json = recordToJson(record)
    const { body } = record.request
    const sealed = record.sealed?.data
    const bytes = Buffer.byteLength(json) + (body?.byteLength ?? 0) + (sealed?.byteLength ?? 0)
    if (bytes > maxBytes) return false
    for (;;) {
      const totals = this.#table.get('SELECT count, bytes FROM dead_letter_totals')!
      if (Number(totals['count']) < maxRecords && Number(totals['bytes']) + bytes <= maxBytes) break
      const oldest = this.#table.get(
        `SELECT d.id, d.name, d.bytes FROM dead_letters d WHERE NOT ${HELD} ORDER BY d.ts, d.id LIMIT 1`,
        this.#table.now(),
      )
      if (oldest === undefined) return false
      evicted.push(this.#evict(oldest))
    }
    const state = initialState(record, options)
    this.#table.run(
      `INSERT INTO dead_letters (id, ts, name, origin, reason, code, labels, ordering_key, sendable, repeatable, bytes,
         status, due_at, note, record, body, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      record.id,
      record.timestamp,
      record.name,
      originOf(record),
      record.reason,
      lastCode(record),
      record.labels === undefined ? null : JSON.stringify(record.labels),
      record.orderingKey ?? null,
      isSendable(record) ? 1 : 0,
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

  #evictAged(): { id: string; name: string }[] {
    if (this.#retention.maxAgeMs === Infinity) return []
    const now = this.#table.now()
    const aged = this.#table.all(
      `SELECT d.id, d.name, d.bytes FROM dead_letters d WHERE d.ts < ? AND NOT ${HELD} ORDER BY d.ts, d.id LIMIT ${BATCH}`,
      now - this.#retention.maxAgeMs,
      now,
    )
    return aged.map((row) => this.#evict(row))
  }

  #evict(row: Row): { id: string; name: string } {
    this.#table.remove(row)
    this.#table.run('UPDATE dead_letter_totals SET evicted = evicted + 1')
    return { id: String(row['id']), name: String(row['name']) }
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    this.#open()
    const row = this.#table.get('SELECT * FROM dead_letters WHERE id = ?', id)
    if (row === undefined) return undefined
    try {
      return deadLetterOf(row)
    } catch (error) {
      throw new DeadLetterFormatError(`dead letter ${id}: ${(error as Error).message}`, id)
    }
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    this.#open()
    const { filter, limit, after } = checkQuery(query)
    const { sql, values } = conditions(filter)
    const rows = this.#table.all(
      `SELECT d.id, d.ts, d.record, ${STATE} FROM dead_letters d WHERE 1${sql}
       ${after === undefined ? '' : 'AND (d.ts, d.id) < (?, ?)'} ORDER BY d.ts DESC, d.id DESC LIMIT ?`,
      ...values,
      ...(after === undefined ? [] : [after.timestamp, after.id]),
      limit + 1,
    )
    const more = rows.length > limit
    const page = rows.slice(0, limit)
    const { items, corrupt } = read(page, deadLetterOf)
    const last = page.at(-1)
    return {
      items,
      ...(more && last
        ? { cursor: encodeCursor({ timestamp: Number(last['ts']), id: String(last['id']) }) }
        : {}),
      ...(corrupt.length === 0 ? {} : { corrupt }),
    }
  }

  async stats(): Promise<DeadLetterStats> {
    this.#open()
    const byStatus = { pending: 0, leased: 0, sending: 0, in_doubt: 0, quarantined: 0 }
    for (const row of this.#table.all('SELECT status, count(*) AS n FROM dead_letters GROUP BY status')) {
      const status = String(row['status'])
      if (Object.hasOwn(byStatus, status)) byStatus[status as keyof typeof byStatus] = Number(row['n'])
    }
    const totals = this.#table.get('SELECT * FROM dead_letter_totals')!
    const due = this.#table.get(
      "SELECT count(*) AS n FROM dead_letters WHERE status = 'pending' AND due_at <= ?",
      this.#table.now(),
    )
    const oldest = this.#table.get('SELECT min(ts) AS ts FROM dead_letters')?.['ts']
    return {
      total: Number(totals['count']),
      byStatus,
      bytes: Number(totals['bytes']),
      oldest: typeof oldest === 'number' ? oldest : undefined,
      due: Number(due?.['n']),
      counters: {
        captured: Number(totals['captured']),
        replayed: Number(totals['replayed']),
        evicted: Number(totals['evicted']),
        discarded: Number(totals['discarded']),
      },
    }
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    this.#open()
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
    return this.#claims.requeue(ids, options)
  }

  async discard(ids: readonly string[]): Promise<number> {
    this.#open()
    return this.#table.write(() => {
      let count = 0
      for (const id of ids) {
        const row = this.#table.get(
          "SELECT id, bytes FROM dead_letters WHERE id = ? AND NOT (status = 'sending' AND lease_until > ?)",
          id,
          this.#table.now(),
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
