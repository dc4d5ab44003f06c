import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { setImmediate as breathe } from 'node:timers/promises'
import { checkClaim, type ClaimRequest } from '../../dead-letter/claim-options.ts'
import { reportEvicted } from '../../dead-letter/evicted.ts'
import { checkQuery, encodeCursor, lastCode } from '../../dead-letter/filter.ts'
import { initialState, isSendable, lapse, requeued, settled } from '../../dead-letter/lifecycle.ts'
import { DeadLetterFormatError, recordToJson } from '../../dead-letter/record-json.ts'
import {
  isRepeatable,
  originOf,
  type ClaimedDeadLetter,
  type DeadLetter,
  type DeadLetterRecord,
  type DeadLetterState,
} from '../../dead-letter/record.ts'
import type { Retention } from '../../dead-letter/retention.ts'
import type {
  AddOptions,
  AddResult,
  ClaimOptions,
  ClaimResult,
  CorruptDeadLetter,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterStats,
  DeadLetterStore,
  Settlement,
  SettleResult,
} from '../../dead-letter/store.ts'
import { durationOption } from '../../options.ts'
import type { SqliteDatabase } from './database.ts'
import { conditions, deadLetterOf, stateOf, type Row } from './rows.ts'

/** Rows per transaction: enough to share one fsync, few enough not to hold up the event loop. */
const BATCH = 500
/** Tombstones outlast every spool: 30 days. */
const TOMBSTONE_MS = 30 * 24 * 3_600_000

const STATE = 'd.status, d.due_at, d.replay_count, d.replays, d.note'
const HELD = "(d.status IN ('leased', 'sending') AND d.lease_until > ?)"

/** Dead letters in a SQLite file, durable when `add` resolves, shared by the processes of one machine. */
export class SqliteDeadLetters implements DeadLetterStore {
  readonly #file: SqliteDatabase
  readonly #retention: Retention
  readonly #now: () => number
  readonly #statements = new Map<string, StatementSync>()
  #closed = false

  constructor(file: SqliteDatabase, retention: Retention, now: () => number = Date.now) {
    this.#file = file
    this.#retention = retention
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
    for (let start = 0; start < records.length; start += BATCH) {
      if (start > 0) await breathe()
      const evicted = await this.#write(() => {
        const gone = this.#evictAged()
        for (const record of records.slice(start, start + BATCH)) {
          if (this.#get('SELECT 1 FROM dead_letter_tombstones WHERE id = ?', record.id))
            result.settled.push(record.id)
          else if (this.#get('SELECT 1 FROM dead_letters WHERE id = ?', record.id)) {
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
    const bytes = json.length + (body?.byteLength ?? 0) + (sealed?.byteLength ?? 0)
    if (bytes > maxBytes) return false
    for (;;) {
      const totals = this.#get('SELECT count, bytes FROM dead_letter_totals')!
      if (Number(totals['count']) < maxRecords && Number(totals['bytes']) + bytes <= maxBytes) break
      const oldest = this.#get(
        `SELECT d.id, d.name, d.bytes FROM dead_letters d WHERE NOT ${HELD} ORDER BY d.ts, d.id LIMIT 1`,
        this.#now(),
      )
      if (oldest === undefined) return false
      evicted.push(this.#evict(oldest))
    }
    const state = initialState(record, options)
    this.#run(
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
    this.#run(
      'UPDATE dead_letter_totals SET count = count + 1, bytes = bytes + ?, captured = captured + 1',
      bytes,
    )
    return true
  }

  #evictAged(): { id: string; name: string }[] {
    if (this.#retention.maxAgeMs === Infinity) return []
    const now = this.#now()
    const aged = this.#all(
      `SELECT d.id, d.name, d.bytes FROM dead_letters d WHERE d.ts < ? AND NOT ${HELD} ORDER BY d.ts, d.id LIMIT ${BATCH}`,
      now - this.#retention.maxAgeMs,
      now,
    )
    return aged.map((row) => this.#evict(row))
  }

  #evict(row: Row): { id: string; name: string } {
    this.#remove(row)
    this.#run('UPDATE dead_letter_totals SET evicted = evicted + 1')
    return { id: String(row['id']), name: String(row['name']) }
  }

  #remove(row: Row): void {
    this.#run('DELETE FROM dead_letters WHERE id = ?', row['id']!)
    this.#run('UPDATE dead_letter_totals SET count = count - 1, bytes = bytes - ?', row['bytes']!)
  }

  #bury(id: string): void {
    const now = this.#now()
    this.#run('INSERT OR REPLACE INTO dead_letter_tombstones VALUES (?, ?)', id, now)
    this.#run(
      'DELETE FROM dead_letter_tombstones WHERE id IN (SELECT id FROM dead_letter_tombstones WHERE at < ? LIMIT 10)',
      now - TOMBSTONE_MS,
    )
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    this.#open()
    const row = this.#get('SELECT * FROM dead_letters WHERE id = ?', id)
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
    const rows = this.#all(
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
    for (const row of this.#all('SELECT status, count(*) AS n FROM dead_letters GROUP BY status')) {
      const status = String(row['status'])
      if (Object.hasOwn(byStatus, status)) byStatus[status as keyof typeof byStatus] = Number(row['n'])
    }
    const totals = this.#get('SELECT * FROM dead_letter_totals')!
    const due = this.#get(
      "SELECT count(*) AS n FROM dead_letters WHERE status = 'pending' AND due_at <= ?",
      this.#now(),
    )
    const oldest = this.#get('SELECT min(ts) AS ts FROM dead_letters')?.['ts']
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
    const request = checkClaim(options)
    return this.#write(() => {
      this.#lapse(request.maxReplays)
      const { items, corrupt } = read(this.#candidates(request), (row) => this.#lease(row, request.leaseMs))
      for (const { id, message } of corrupt) {
        this.#run(
          "UPDATE dead_letters SET status = 'quarantined', corrupt = 1, note = ? WHERE id = ?",
          message,
          id,
        )
      }
      return { items, corrupt }
    })
  }

  #lapse(maxReplays: number): void {
    const now = this.#now()
    const lapsed = this.#all(
      `SELECT d.id, d.repeatable, ${STATE} FROM dead_letters d
       WHERE d.status IN ('leased', 'sending') AND d.lease_until <= ?`,
      now,
    )
    for (const row of lapsed) {
      this.#setState(String(row['id']), lapse(stateOf(row), row['repeatable'] === 1, now, maxReplays))
    }
  }

  #candidates({ limit, filter, ids, transfer }: ClaimRequest): Row[] {
    const free = "d.corrupt = 0 AND d.status NOT IN ('leased', 'sending')"
    const head = `(d.ordering_key IS NULL OR NOT EXISTS (
      SELECT 1 FROM dead_letters o WHERE o.ordering_key = d.ordering_key AND o.id < d.id))`
    const { sql, values } = conditions(filter ?? {})
    const where = [transfer ? free : ids === undefined ? "d.corrupt = 0 AND d.status = 'pending'" : free]
    if (!transfer) where.push('d.sendable = 1', head)
    if (!transfer && ids === undefined) {
      where.push('d.due_at <= ?')
      values.push(this.#now())
    }
    // the values of the filter come first, as its conditions do
    if (ids !== undefined) {
      where.push('d.id IN (SELECT value FROM json_each(?))')
      values.push(JSON.stringify(ids))
    }
    return this.#all(
      `SELECT d.* FROM dead_letters d WHERE 1${sql} AND ${where.join(' AND ')} ORDER BY d.due_at, d.id LIMIT ?`,
      ...values,
      limit,
    )
  }

  #lease(row: Row, leaseMs: number): ClaimedDeadLetter {
    const entry = deadLetterOf(row)
    const fence = Number(
      this.#get('UPDATE dead_letter_totals SET fence = fence + 1 RETURNING fence')!['fence'],
    )
    const leaseUntil = this.#now() + leaseMs
    this.#run(
      "UPDATE dead_letters SET status = 'leased', fence = ?, lease_until = ? WHERE id = ?",
      fence,
      leaseUntil,
      entry.id,
    )
    return { ...entry, status: 'leased', fence, leaseUntil }
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    this.#open()
    durationOption('leaseMs', leaseMs, 1)
    return this.#write(() => {
      const { changes } = this.#run(
        `UPDATE dead_letters SET status = 'sending', lease_until = ?
         WHERE id = ? AND fence = ? AND status IN ('leased', 'sending')`,
        this.#now() + leaseMs,
        id,
        fence,
      )
      return changes === 1
    })
  }

  async settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    this.#open()
    return this.#write(() => {
      const row = this.#get(`SELECT d.id, d.bytes, d.fence, ${STATE} FROM dead_letters d WHERE d.id = ?`, id)
      if (row === undefined) return 'gone'
      if (row['fence'] !== fence || (row['status'] !== 'leased' && row['status'] !== 'sending'))
        return 'stale'
      const { result, state } = settled(stateOf(row), settlement, this.#now())
      if (state !== undefined) {
        this.#setState(id, state)
        return result
      }
      this.#remove(row)
      this.#bury(id)
      this.#run('UPDATE dead_letter_totals SET replayed = replayed + 1')
      return result
    })
  }

  async requeue(ids: readonly string[], options: { delayMs?: number } = {}): Promise<number> {
    this.#open()
    return this.#write(() => {
      let count = 0
      for (const id of ids) {
        const row = this.#get(`SELECT d.sendable, d.corrupt, ${STATE} FROM dead_letters d WHERE d.id = ?`, id)
        if (row === undefined || row['corrupt'] === 1) continue
        const state = requeued(stateOf(row), row['sendable'] === 1, this.#now() + (options.delayMs ?? 0))
        if (state === undefined) continue
        this.#setState(id, state)
        count++
      }
      return count
    })
  }

  async discard(ids: readonly string[]): Promise<number> {
    this.#open()
    return this.#write(() => {
      let count = 0
      for (const id of ids) {
        const row = this.#get(
          "SELECT id, bytes FROM dead_letters WHERE id = ? AND NOT (status = 'sending' AND lease_until > ?)",
          id,
          this.#now(),
        )
        if (row === undefined) continue
        this.#remove(row)
        this.#bury(id)
        count++
      }
      this.#run('UPDATE dead_letter_totals SET discarded = discarded + ?', count)
      return count
    })
  }

  /** The file itself belongs to the store that opened it. */
  async close(): Promise<void> {
    this.#closed = true
    this.#statements.clear()
  }

  #setState(id: string, state: DeadLetterState): void {
    this.#run(
      'UPDATE dead_letters SET status = ?, due_at = ?, replay_count = ?, replays = ?, note = ? WHERE id = ?',
      state.status,
      state.dueAt,
      state.replayCount,
      JSON.stringify(state.replays),
      state.note ?? null,
      id,
    )
  }

  #write<T>(work: () => T): Promise<T> {
    return this.#file.write(work)
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, (statement = this.#file.db.prepare(sql)))
    return statement
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values)
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values)
  }

  #run(sql: string, ...values: SQLInputValue[]): { changes: number | bigint } {
    return this.#prepare(sql).run(...values)
  }

  #open(): void {
    if (this.#closed) throw new Error('the dead-letter store is closed')
  }
}

function read<T>(rows: Row[], one: (row: Row) => T): { items: T[]; corrupt: CorruptDeadLetter[] } {
  const items: T[] = []
  const corrupt: CorruptDeadLetter[] = []
  for (const row of rows) {
    try {
      items.push(one(row))
    } catch (error) {
      if (!(error instanceof DeadLetterFormatError)) throw error
      corrupt.push({ id: String(row['id']), message: error.message })
    }
  }
  return { items, corrupt }
}
