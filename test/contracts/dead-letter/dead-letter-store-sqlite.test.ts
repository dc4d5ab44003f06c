import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveOptions } from '../../../src/checks.ts'
import { retentionChecks } from '../../../src/dead-letter/store/retention.ts'
import { SqliteDatabase } from '../../../src/stores/sqlite/database.ts'
import { SqliteDeadLetters } from '../../../src/stores/sqlite/dead-letters.ts'
import { deadLetterStoreContract } from '../../../src/testing/contracts/dead-letter-store/contract.ts'
import { runner } from '../runner.ts'

const defaults = { maxRecords: 20_000, maxBytes: 1e9, maxAgeMs: Infinity }

deadLetterStoreContract(runner, 'SQLite', async (retention) => {
  const folder = await mkdtemp(join(tmpdir(), 'dead-letters-'))
  // stands still: a lease of 25 ms must not end on a machine that is busy for longer
  let now = Date.now()
  const files: SqliteDatabase[] = []
  const open = (): SqliteDeadLetters => {
    const file = new SqliteDatabase(join(folder, 'store.db'), 5000)
    files.push(file)
    const bounds = resolveOptions('retention', retentionChecks(defaults), retention)
    return new SqliteDeadLetters(file, bounds, () => now)
  }
  return {
    store: open(),
    advance: (ms) => {
      now += ms
      return Promise.resolve()
    },
    other: () => Promise.resolve(open()),
    damage: (id) => {
      files[0]!.db.prepare(`UPDATE dead_letters SET record = '{"version":1,"id":7}' WHERE id = ?`).run(id)
      return Promise.resolve()
    },
    dispose: async () => {
      for (const file of files) file.close()
      await rm(folder, { recursive: true })
    },
  }
})
