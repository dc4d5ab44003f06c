import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { resolveOptions } from '../../../src/checks.ts'
import { retentionChecks } from '../../../src/dead-letter/store/retention.ts'
import { SqliteDatabase } from '../../../src/stores/sqlite/database.ts'
import { SqliteDeadLetters } from '../../../src/stores/sqlite/dead-letters.ts'
import {
  type DamageableStore,
  damagedStatesContract,
  everyKind,
} from '../../../src/testing/contracts/damaged-states.ts'
import { runner } from '../runner.ts'

const HUGE = 2n ** 60n + 1n

interface SqliteUnderTest extends DamageableStore {
  /** Another program's connection to the file. */
  readonly db: DatabaseSync
}

async function make(): Promise<SqliteUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'damaged-'))
  const path = join(folder, 'store.db')
  const file = new SqliteDatabase(path, 5000)
  const bounds = resolveOptions(
    'retention',
    retentionChecks({ maxRecords: 1000, maxBytes: 1e9, maxAgeMs: Infinity }),
    {},
  )
  // stands still: a lease of 25 ms must not end on a machine that is busy for longer
  let now = Date.now()
  const store = new SqliteDeadLetters(file, bounds, () => now)
  const db = new DatabaseSync(path)
  return {
    store,
    db,
    advance: (ms) => {
      now += ms
      return Promise.resolve()
    },
    dispose: async () => {
      db.close()
      file.close()
      await rm(folder, { recursive: true })
    },
  }
}

const set =
  (assignment: string, ...values: SQLInputValue[]) =>
  async ({ db }: SqliteUnderTest, id: string): Promise<void> => {
    db.prepare(`UPDATE dead_letters SET ${assignment} WHERE id = ?`).run(...values, id)
  }

const run =
  (sql: string) =>
  async ({ db }: SqliteUnderTest): Promise<void> => {
    db.exec(sql)
  }

damagedStatesContract(runner, 'SQLite', make, {
  ofOne: everyKind<SqliteUnderTest>({
    'a record that ends in its middle': set('record = substr(record, 1, 40)'),
    'a record without a field': set("record = json_remove(record, '$.request')"),
    'a record of another id': set("record = json_set(record, '$.id', 'somebody-else')"),
    'a body that ends in its middle': set('body = substr(body, 1, 3)'),
    'replays that are no list': set(`replays = '{"at":1}'`),
    'replays that are no JSON': set("replays = '[{'"),
    'a status that is no word of ours': set("status = 'done'"),
    'a time of capture beyond 2^53': set('ts = ?', HUGE),
    'a time of capture before all time': set('ts = ?', -HUGE),
    'a due time beyond 2^53': set('due_at = ?', HUGE),
    'a due time before all time': set('due_at = ?', -HUGE),
    'an end of its lease beyond 2^53': set("status = 'sending', lease_until = ?", HUGE),
    'a count of replays beyond 2^53': set('replay_count = ?', HUGE),
    'a size beyond 2^53': set("bytes = ?, status = 'done'", HUGE),
    'labels that are no JSON, and no record': set("labels = '{', record = ''"),
  }),
  ofSize: (store, id, bytes) => set('bytes = ?', bytes)(store, id),
  ofAll: {
    'a missing row of totals': run('DELETE FROM dead_letter_totals'),
    'totals beyond 2^53': run('UPDATE dead_letter_totals SET bytes = 9223372036854775807, captured = bytes'),
    'totals below nothing': run('UPDATE dead_letter_totals SET count = -5, bytes = -9223372036854775808'),
    'a fence at its end': run('UPDATE dead_letter_totals SET fence = 9223372036854775807'),
  },
})
