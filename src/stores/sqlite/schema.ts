import type { DatabaseSync } from 'node:sqlite'
import { NEVER_EVICTED } from '../../dead-letter/store/retention.ts'

/** Raised with every change of the tables; kept in the file as `user_version`. */
export const SCHEMA_VERSION = 4

/** With all that a look at what is due asks for: rows are large, and it must not read them. */
const byDue =
  'CREATE INDEX dead_letters_by_due ON dead_letters (status, due_at, id, replayable, corrupt, ordering_key)'

/** Of what may be evicted: of a store that is full of what may not, the rest is to be found at once. */
const evictable = `CREATE INDEX dead_letters_evictable ON dead_letters (ts, id) WHERE reason <> '${NEVER_EVICTED}'`

/** What leads from each earlier version to the one after it. */
const steps: Readonly<Record<number, string>> = {
  2: `
  ALTER TABLE dead_letters RENAME COLUMN sendable TO replayable;
  DROP INDEX dead_letters_by_due;
  ${byDue};
`,
  3: `${evictable};`,
}

/**
 * `record` is the JSON of what was captured, without its bodies. The columns beside it are what filters and claims look
 * at. `replayable` and `repeatable` are decided once, when the row is made.
 */
const tables = `
  CREATE TABLE dead_letters (
    id TEXT PRIMARY KEY,
    ts INTEGER NOT NULL,
    integration TEXT NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    code TEXT NOT NULL,
    labels TEXT,
    ordering_key TEXT,
    replayable INTEGER NOT NULL,
    repeatable INTEGER NOT NULL,
    corrupt INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL,
    status TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER NOT NULL DEFAULT 0,
    replay_count INTEGER NOT NULL DEFAULT 0,
    replays TEXT NOT NULL DEFAULT '[]',
    note TEXT,
    leased_from TEXT,
    record TEXT NOT NULL,
    body BLOB,
    sealed BLOB
  ) STRICT;
  CREATE INDEX dead_letters_by_time ON dead_letters (ts, id);
  ${byDue};
  ${evictable};
  CREATE INDEX dead_letters_by_ordering_key ON dead_letters (ordering_key, id) WHERE ordering_key IS NOT NULL;
  CREATE TABLE dead_letter_tombstones (id TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX dead_letter_tombstones_by_time ON dead_letter_tombstones (at);
  CREATE TABLE dead_letter_totals (
    fence INTEGER NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL,
    captured INTEGER NOT NULL, replayed INTEGER NOT NULL, evicted INTEGER NOT NULL, discarded INTEGER NOT NULL
  ) STRICT;
  INSERT INTO dead_letter_totals VALUES (0, 0, 0, 0, 0, 0, 0);
`

/** Makes the tables of an empty file, and brings those of an earlier version up to date. Several processes may open the same new file at once. */
export function migrate(db: DatabaseSync): void {
  if (versionOf(db) === SCHEMA_VERSION) return
  db.exec('BEGIN IMMEDIATE')
  try {
    const found = versionOf(db)
    if (found === 0) db.exec(tables)
    else {
      for (let version = found; version !== SCHEMA_VERSION; version++) {
        const step = steps[version]
        if (step === undefined) {
          throw new Error(`its schema has version ${found}, this package knows ${SCHEMA_VERSION}`)
        }
        db.exec(step)
      }
    }
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
}
