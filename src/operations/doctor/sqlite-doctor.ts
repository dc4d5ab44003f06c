import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { SCHEMA_VERSION } from '../../stores/sqlite/schema.ts'
import { bytesText } from '../bytes-text.ts'
import { readSqlite } from '../stores/sqlite-file.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** A log this much longer than a checkpoint leaves is held open by a reader that does not end. */
const LONG_WAL_BYTES = 64 * 1024 * 1024

/** Looks at the file, changing nothing. */
export function sqliteDoctor(path: string): Finding[] {
  const file = statSync(path)
  const wal = sizeOf(`${path}-wal`)
  return readSqlite(path, (db) => [
    ok('SQLite', String(db.prepare('SELECT sqlite_version() AS version').get()?.['version'])),
    schemaFinding(pragma(db, 'user_version')),
    journalFinding(pragma(db, 'journal_mode')),
    integrityFinding(db),
    ok('size', `${bytesText(file.size)}, ${pagesText(db)}`),
    wal <= LONG_WAL_BYTES
      ? ok('write-ahead log', bytesText(wal))
      : warn(
          'write-ahead log',
          bytesText(wal),
          'it is not checkpointed: a process holds a read open, or many write at once',
        ),
    (file.mode & 0o077) === 0 || process.platform === 'win32'
      ? ok('permissions', 'its owner only')
      : warn(
          'permissions',
          `0${(file.mode & 0o777).toString(8)}`,
          'others may read it, bodies included: chmod 600',
        ),
  ])
}

function pragma(db: DatabaseSync, name: string): string {
  return String(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}

function schemaFinding(version: string): Finding {
  if (version === String(SCHEMA_VERSION)) return ok('schema', `version ${version}`)
  if (version === '0') return warn('schema', 'none yet', 'the file is new: the application makes the tables')
  return fail(
    'schema',
    `version ${version}`,
    `this package knows ${SCHEMA_VERSION}: use the version that the application uses`,
  )
}

function journalFinding(mode: string): Finding {
  if (mode === 'wal') return ok('journal mode', mode)
  return warn(
    'journal mode',
    mode,
    'sqliteStore sets wal: was the file copied, or is it on a network file system?',
  )
}

function integrityFinding(db: DatabaseSync): Finding {
  const lines = db
    .prepare('PRAGMA integrity_check(5)')
    .all()
    .map((row) => String(Object.values(row)[0]))
  if (lines.length === 1 && lines[0] === 'ok') return ok('integrity', 'ok')
  return fail(
    'integrity',
    lines.join('; '),
    'export what can be read, move the file away, and import it into a new one',
  )
}

function pagesText(db: DatabaseSync): string {
  const free = Number(pragma(db, 'freelist_count')) * Number(pragma(db, 'page_size'))
  return `${bytesText(free)} of it free for new entries`
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
