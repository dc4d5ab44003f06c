import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { CliError, exitCodes } from './cli-error.ts'

/**
 * Opening a store makes its tables: a mistyped path must not become a new file, nor another program's database get
 * tables of ours.
 */
export function checkSqliteFile(path: string, mayCreate: boolean): void {
  if (!existsSync(path)) {
    if (mayCreate) return
    throw new CliError(`there is no file ${path}`, exitCodes.storeUnavailable)
  }
  const tables = readSqlite(path, (db) =>
    db
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all()
      .map(({ name }) => String(name)),
  )
  if (tables.length > 0 && !tables.includes('dead_letters')) {
    throw new CliError(
      `${path} is a SQLite file of another program: it has no table dead_letters`,
      exitCodes.storeUnavailable,
    )
  }
}

/** Reads without changing anything, the schema included. */
export function readSqlite<T>(path: string, read: (db: DatabaseSync) => T): T {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
    return read(db)
  } catch (error) {
    throw new CliError(`cannot open ${path}: ${(error as Error).message}`, exitCodes.storeUnavailable, error)
  } finally {
    db?.close()
  }
}
