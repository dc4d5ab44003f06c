import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { DeadLetterState } from '../../dead-letter/record/record.ts'
import type { SqliteDatabase } from './database.ts'
import { isNatural, type Row, withNumbers } from './rows.ts'

/** Tombstones outlast every spool: 30 days. */
const TOMBSTONE_MS = 30 * 24 * 3_600_000

/** The largest integer that a number of JavaScript holds. */
export const MAX_NATURAL = Number.MAX_SAFE_INTEGER

/** More than any row has: SQLite itself takes no more than 1 GB for a value. */
const MAX_ROW_BYTES = 2 ** 32

interface Totals {
  readonly fence: number
  readonly count: number
  readonly bytes: number
  readonly captured: number
  readonly replayed: number
  readonly evicted: number
  readonly discarded: number
}

/** The longest lease that can be asked for, in milliseconds: a timer's. */
export const MAX_LEASE_MS = 2 ** 31 - 1

/** Held by somebody: takes the time now, and the time now plus {@link MAX_LEASE_MS}. */
export const HELD = "(d.status IN ('leased', 'sending') AND d.lease_until > ? AND d.lease_until <= ?)"

/** Nothing with the same ordering key is before it. */
export const IS_HEAD = `(d.ordering_key IS NULL OR NOT EXISTS (
  SELECT 1 FROM dead_letters o WHERE o.ordering_key = d.ordering_key AND o.id < d.id))`

/** The columns of an entry's state. */
export const STATE = 'd.status, d.due_at, d.replay_count, d.replays, d.note, d.leased_from'

/** What a row counts for; `undefined` where it says what cannot be. */
export function sizeOf({ bytes }: Row): number | undefined {
  return isNatural(bytes) && bytes <= MAX_ROW_BYTES ? bytes : undefined
}

/** The tables with their prepared statements, and the changes that several operations make. */
export class DeadLetterTable {
  readonly #file: SqliteDatabase
  readonly #statements = new Map<string, StatementSync>()
  #db: DatabaseSync | undefined
  readonly now: () => number

  constructor(file: SqliteDatabase, now: () => number) {
    this.#file = file
    this.now = now
  }

  read<T>(work: () => T): Promise<T> {
    return this.#file.read(work)
  }

  /** What `work` throws undoes all of it. It may be run again: what it gives back is all that it may leave behind. */
  write<T>(work: () => T, committed?: () => void): Promise<T> {
    return this.#file.write(() => {
      if (this.totals() === undefined) this.#recount()
      return work()
    }, committed)
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    const row = this.#prepare(sql).get(...values)
    return row && withNumbers(row)
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql)
      .all(...values)
      .map(withNumbers)
  }

  /** How many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes)
  }

  #prepare(sql: string): StatementSync {
    const { db } = this.#file
    if (db !== this.#db) this.#statements.clear()
    this.#db = db
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = db.prepare(sql)
      statement.setReadBigInts(true)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /** The totals; `undefined` where they cannot be what they should be. The next write counts anew. */
  totals(): Totals | undefined {
    const row = this.get(
      'SELECT fence, count, bytes, captured, replayed, evicted, discarded FROM dead_letter_totals',
    )
    return row !== undefined && Object.values(row).every(isNatural) ? (row as unknown as Totals) : undefined
  }

  /** What can be counted is; of the counters those stay that can be read. */
  #recount(): void {
    const row = this.get('SELECT * FROM dead_letter_totals') ?? {}
    const kept = (name: string): number => (isNatural(row[name]) ? row[name] : 0)
    this.run('DELETE FROM dead_letter_totals')
    this.run(
      `INSERT INTO dead_letter_totals (fence, count, bytes, captured, replayed, evicted, discarded)
       SELECT max(?, coalesce(max(fence) FILTER (WHERE fence BETWEEN 0 AND ${MAX_NATURAL - 1_000_000}), 0)), count(*),
         coalesce(sum(bytes) FILTER (WHERE bytes BETWEEN 0 AND ${MAX_ROW_BYTES}), 0), ?, ?, ?, ? FROM dead_letters`,
      kept('fence'),
      kept('captured'),
      kept('replayed'),
      kept('evicted'),
      kept('discarded'),
    )
  }

  /** Statements must be gone before the file is closed. */
  close(): void {
    this.#statements.clear()
  }

  remove(row: Row): void {
    const bytes = sizeOf(row)
    this.run('DELETE FROM dead_letters WHERE id = ?', row['id']!)
    const isDone =
      bytes === undefined
        ? 0
        : this.run(
            'UPDATE dead_letter_totals SET count = count - 1, bytes = bytes - ? WHERE count > 0 AND bytes >= ?',
            bytes,
            bytes,
          )
    // the size was not its own, or the totals are not those of the entries
    if (isDone === 0) this.#recount()
  }

  /** What cannot be read waits for a person; its other columns stay as they are. */
  condemn(id: string, message: string): void {
    this.run(
      "UPDATE dead_letters SET status = 'quarantined', corrupt = 1, note = ?, leased_from = NULL WHERE id = ?",
      message,
      id,
    )
  }

  bury(id: string): void {
    const now = this.now()
    this.run('INSERT OR REPLACE INTO dead_letter_tombstones VALUES (?, ?)', id, now)
    this.run(
      'DELETE FROM dead_letter_tombstones WHERE id IN (SELECT id FROM dead_letter_tombstones WHERE at < ? LIMIT 10)',
      now - TOMBSTONE_MS,
    )
  }

  setState(id: string, state: DeadLetterState): void {
    this.run(
      'UPDATE dead_letters SET status = ?, due_at = ?, replay_count = ?, replays = ?, note = ?, leased_from = NULL WHERE id = ?',
      state.status,
      state.dueAt,
      state.replayCount,
      JSON.stringify(state.replays),
      state.note ?? null,
      id,
    )
  }
}
