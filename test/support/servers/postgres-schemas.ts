import pg from 'pg'
import type { PostgresClient } from '../../../src/stores/postgres/client.ts'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import { migrationSql } from '../../../src/stores/postgres/schema.ts'
import { type RunningPostgres, startPostgres } from './postgres-server.ts'

let schemas = 0

/** A name that no other test of this process uses. */
export function newSchema(): string {
  return `test_${++schemas}`
}

/** A server and a pool, for the tests of one file. */
export interface PostgresFixture {
  readonly server: RunningPostgres
  readonly pool: pg.Pool
  stop(): Promise<void>
}

export async function postgresFixture(max = 8): Promise<PostgresFixture> {
  const server = await startPostgres()
  const pool = new pg.Pool({ connectionString: server.url, max })
  // an idle connection ends with the server
  pool.on('error', () => undefined)
  return {
    server,
    pool,
    async stop() {
      await pool.end()
      await server.stop()
    },
  }
}

/** Tables of their own, under a clock that stands still but for `advance`: a lease of 25 ms must not end on a busy machine. */
interface ClockedSchema {
  readonly schema: string
  /** The tables as another process has them. */
  readonly database: () => PostgresDatabase
  readonly advance: (ms: number) => Promise<void>
  readonly drop: () => Promise<void>
}

/** @param start what its clock says at first, in milliseconds since 1970 */
export async function clockedSchema(pool: PostgresClient, start = Date.now()): Promise<ClockedSchema> {
  const schema = newSchema()
  await pool.query(migrationSql(schema))
  let now = start
  const client = {
    query: (text: string, values: unknown[] = []) =>
      pool.query(text.replaceAll('@clock@', `to_timestamp(${now / 1_000}::numeric)`), values),
  }
  return {
    schema,
    database: () => new PostgresDatabase(client, { schema, migrate: false, clock: '@clock@' }),
    advance: (ms) => {
      now += ms
      return Promise.resolve()
    },
    drop: async () => void (await pool.query(`DROP SCHEMA ${schema} CASCADE`)),
  }
}
