import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { sqliteModule } from '../../stores/sqlite/module.ts'
import { OperationError } from '../operation-error.ts'

/**
 * Opening a store makes its tables: a mistyped path must not become a new file, nor another program's database get
 * tables of ours.
 */
export function checkSqliteFile(path: string, mayCreate: boolean): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined || size === 0) {
    if (mayCreate) return
    const what = size === undefined ? `there is no file ${path}` : `${path} is empty: no SQLite file`
    throw new OperationError(what, 'store-unavailable')
  }
  const tables = readSqlite(path, (db) =>
    db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all()
      .map(({ name }) => String(name)),
  )
  if (tables.length > 0 && !tables.includes('dead_letters')) {
    throw new OperationError(
      `${path} is a SQLite file of another program: it has no table dead_letters`,
      'store-unavailable',
    )
  }
}

/** Reads without changing anything, the schema included. */
export function readSqlite<T>(path: string, read: (db: DatabaseSync) => T): T {
  let db: DatabaseSync | undefined
  try {
    db = new (sqliteModule().DatabaseSync)(path, { readOnly: true, timeout: 5_000 })
    return read(db)
  } catch (error) {
    throw new OperationError(`cannot open ${path}: ${(error as Error).message}`, 'store-unavailable', error)
  } finally {
    db?.close()
  }
}
