import { hash } from 'node:crypto'
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

/** A client whose statements the server plans once for each connection: for a test that runs the same few thousands of times. */
export function preparing(pool: pg.Pool): PostgresClient {
  return {
    query: (text, values) =>
      values === undefined
        ? pool.query(text)
        : pool.query<Record<string, unknown>>({ name: hash('sha1', text), text, values }),
  }
}

/** A statement of a database whose clock is `@clock@`, at a time of the test's, in milliseconds since 1970. */
export function atTime(ms: number, text: string, values: unknown[] = []): [text: string, values: unknown[]] {
  if (!text.includes('@clock@')) return [text, values]
  // a parameter, not a number in the text: the statement stays the same one
  return [
    text.replaceAll('@clock@', `to_timestamp($${values.length + 1}::numeric)`),
    [...values, String(ms / 1_000)],
  ]
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
    query: (text: string, values?: unknown[]) => pool.query(...atTime(now, text, values)),
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
