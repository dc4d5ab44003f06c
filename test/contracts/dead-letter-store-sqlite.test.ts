import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkRetention } from '../../src/dead-letter/retention.ts'
import { SqliteDatabase } from '../../src/stores/sqlite/database.ts'
import { SqliteDeadLetters } from '../../src/stores/sqlite/dead-letters.ts'
import { deadLetterStoreContract } from './dead-letter-store.ts'

const defaults = { maxRecords: 20_000, maxBytes: 1e9, maxAgeMs: Infinity }

deadLetterStoreContract('SQLite', async (retention) => {
  const folder = await mkdtemp(join(tmpdir(), 'dead-letters-'))
  let passed = 0
  const files: SqliteDatabase[] = []
  const open = (): SqliteDeadLetters => {
    const file = new SqliteDatabase(join(folder, 'store.db'), 5000)
    files.push(file)
    return new SqliteDeadLetters(file, checkRetention(retention, defaults), () => Date.now() + passed)
  }
  return {
    store: open(),
    advance: (ms) => {
      passed += ms
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
