import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { PostgresCircuitBackend } from '../../../src/stores/postgres/circuits/backend.ts'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import { migrationSql } from '../../../src/stores/postgres/schema.ts'
import {
  atTime,
  newSchema,
  postgresFixture,
  type PostgresFixture,
  preparing,
} from '../../support/servers/postgres-schemas.ts'
import { circuitBackendContract } from './circuit-backend.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

circuitBackendContract(
  'PostgreSQL',
  async () => {
    const schema = newSchema()
    const pool = new pg.Pool({ connectionString: fixture.server.url, max: 8 })
    pool.on('error', () => undefined)
    await pool.query(migrationSql(schema))
    const client = preparing(pool)
    let clock = 0
    let lost: Promise<unknown> = Promise.resolve()
    const clocked = {
      async query(text: string, values?: unknown[]) {
        // the time when it was asked for
        const asked = atTime(clock, text, values)
        await lost
        return client.query(...asked)
      },
    }
    const db = new PostgresDatabase(clocked, { schema, migrate: false, clock: '@clock@' })
    return {
      backend: (by) => new PostgresCircuitBackend({ db, channel: schema, by, timeoutMs: 30_000 }),
      setClock: (ms) => void (clock = ms),
      lose(id) {
        const gone = ['circuits', 'circuit_counts'].map((table) =>
          pool.query(`DELETE FROM ${schema}.${table} WHERE id = $1`, [id]),
        )
        // what was lost right before may not be gone yet
        lost = Promise.all([lost, ...gone])
      },
      async dispose() {
        await lost
        await pool.query(`DROP SCHEMA ${schema} CASCADE`)
        await pool.end()
      },
    }
  },
  {
    traces: 100,
    lanes: 4,
    ringOfEach: true,
    // a row of openings goes on, or begins anew; a newer override is adopted; a probe is void; what was lost is forced closed
    rare: [135, 153, 203, 211, 221, 257, 258, 386, 439, 460, 525, 546, 572, 617, 814, 828],
  },
)
