import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { DeadLetterFormatError } from '../../dead-letter/record-json.ts'
import type { DeadLetterState } from '../../dead-letter/record.ts'
import type { CorruptDeadLetter } from '../../dead-letter/store.ts'
import type { SqliteDatabase } from './database.ts'
import type { Row } from './rows.ts'

/** Tombstones outlast every spool: 30 days. */
const TOMBSTONE_MS = 30 * 24 * 3_600_000

/** The columns of an entry's state. */
export const STATE = 'd.status, d.due_at, d.replay_count, d.replays, d.note, d.leased_from'

/** The tables with their prepared statements, and the changes that several operations make. */
export class DeadLetterTable {
  readonly #file: SqliteDatabase
  readonly #statements = new Map<string, StatementSync>()
  readonly now: () => number

  constructor(file: SqliteDatabase, now: () => number) {
    this.#file = file
    this.now = now
  }

  write<T>(work: () => T): Promise<T> {
    return this.#file.write(work)
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values)
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values)
  }

  run(sql: string, ...values: SQLInputValue[]): { changes: number | bigint } {
    return this.#prepare(sql).run(...values)
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, (statement = this.#file.db.prepare(sql)))
    return statement
  }

  /** Statements must be gone before the file is closed. */
  close(): void {
    this.#statements.clear()
  }

  remove(row: Row): void {
    this.run('DELETE FROM dead_letters WHERE id = ?', row['id']!)
    this.run('UPDATE dead_letter_totals SET count = count - 1, bytes = bytes - ?', row['bytes']!)
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

/** Reads rows one by one: what cannot be read is reported, and the rest goes on. */
export function read<T>(rows: Row[], one: (row: Row) => T): { items: T[]; corrupt: CorruptDeadLetter[] } {
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
