import { createRequire } from 'node:module'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import pg from 'pg'
import { resolveOptions } from '../../src/checks.ts'
import { resolveCircuitBreakerOptions } from '../../src/circuit/options.ts'
import type { PostgresClient } from '../../src/stores/postgres/client.ts'
import {
  PostgresDeadLetters,
  postgresDeadLettersChecks,
} from '../../src/stores/postgres/dead-letters/dead-letters.ts'
import { postgresStore } from '../../src/stores/postgres/postgres-store.ts'
import { circuitStoreContract } from '../../src/testing/contracts/circuit-store.ts'
import { deadLetterStoreContract } from '../../src/testing/contracts/dead-letter-store/contract.ts'
import { eventually } from '../../src/testing/contracts/eventually.ts'
import { expect } from '../../src/testing/contracts/expect.ts'
import { limitStoreContract } from '../../src/testing/contracts/limit-store.ts'
import { makeRecord } from '../../src/testing/contracts/records.ts'
import { twoPostgresStores } from '../support/fleet/shared-circuits.ts'
import { type RunningPgbouncer, startPgbouncer } from '../support/servers/pgbouncer.ts'
import { clockedSchema, newSchema } from '../support/servers/postgres-schemas.ts'
import { type RunningPostgres, startPostgres } from '../support/servers/postgres-server.ts'

// The contract suites over other clients of PostgreSQL, and through pgbouncer in transaction mode. Other versions of the
// server: have their `postgres` and `initdb` first on PATH. By node:test, since these clients are no dependencies here.
//   npm run test:postgres-clients

const load = createRequire(import.meta.url)
const runner = { afterEach, beforeEach, describe, it }

/** What a transaction looks like with the client: `work` gets what `within` takes. */
type Transaction = (work: (client: PostgresClient) => Promise<void>) => Promise<unknown>

interface Subject {
  readonly client: PostgresClient
  readonly transaction: Transaction
  close(): Promise<unknown>
}

/** What is used of postgres.js. */
interface Sql {
  unsafe(text: string, values?: unknown[]): Promise<unknown[]>
  begin(work: (sql: Sql) => Promise<void>): Promise<unknown>
  end(): Promise<void>
}

let server: RunningPostgres
let pooler: RunningPgbouncer
before(async () => {
  server = await startPostgres()
  pooler = await startPgbouncer(server)
})
after(async () => {
  await pooler.stop()
  await server.stop()
})

function withPg(url: string, pool = new pg.Pool({ connectionString: url, max: 8 })): Subject {
  pool.on('error', () => undefined)
  return {
    client: pool,
    async transaction(work) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await work(client)
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

function withPostgresJs(): Subject {
  const postgres = load('postgres') as (url: string, options: object) => Sql
  const wrapped = (sql: Sql): PostgresClient => ({
    query: async (text, values) => ({ rows: await sql.unsafe(text, values) }),
  })
  const sql = postgres(server.url, { max: 8, onnotice: () => undefined })
  return {
    client: wrapped(sql),
    transaction: (work) => sql.begin((one) => work(wrapped(one))),
    close: () => sql.end(),
  }
}

function withDrizzle(): Subject {
  const { drizzle } = load('drizzle-orm/node-postgres') as { drizzle: (url: string) => { $client: pg.Pool } }
  // what a user has: a database of drizzle, which makes the pool itself
  const { $client: pool } = drizzle(server.url)
  return withPg(server.url, pool)
}

/** What is used of knex. */
interface Knex {
  readonly client: {
    acquireConnection(): Promise<pg.PoolClient>
    releaseConnection(connection: pg.PoolClient): Promise<void>
  }
  transaction<T>(work: (trx: Knex) => Promise<T>): Promise<T>
  destroy(): Promise<void>
}

function withKnex(): Subject {
  const make = load('knex') as (options: object) => Knex
  // its pool hands out clients of pg; within a transaction the one that BEGIN was sent on
  const wrapped = ({ client: knexClient }: Knex): PostgresClient => ({
    async query(text, values) {
      const connection = await knexClient.acquireConnection()
      try {
        return await connection.query(text, values)
      } finally {
        await knexClient.releaseConnection(connection)
      }
    },
  })
  const knex = make({ client: 'pg', connection: server.url, pool: { min: 0, max: 8 } })
  return {
    client: wrapped(knex),
    transaction: (work) => knex.transaction((trx) => work(wrapped(trx))),
    close: () => knex.destroy(),
  }
}

function withPglite(): Subject {
  const { PGlite } = load('@electric-sql/pglite') as {
    PGlite: new () => PostgresClient & { transaction: Transaction; close(): Promise<void> }
  }
  const db = new PGlite()
  return { client: db, transaction: (work) => db.transaction(work), close: () => db.close() }
}

/** PGlite is in this process: there is no server that a client could listen to. */
const subjects: readonly (readonly [name: string, make: () => Subject, hears: boolean])[] = [
  ['postgres.js', withPostgresJs, true],
  ['PGlite', withPglite, false],
  ['the pool of drizzle', withDrizzle, true],
  ['the pool of knex', withKnex, true],
  ['pg through pgbouncer', () => withPg(pooler.url), true],
]

const { policy } = resolveCircuitBreakerOptions({ failureThreshold: 3 })
const retention = { maxRecords: 20_000, maxBytes: 1e9, maxAgeMs: Infinity, timeoutMs: 30_000 }

for (const [name, make, hears] of subjects) {
  describe(name, () => {
    let subject: Subject
    before(() => {
      subject = make()
    })
    after(() => subject.close())

    deadLetterStoreContract(runner, name, async (options) => {
      const { client } = subject
      const { schema, database, advance, drop } = await clockedSchema(client)
      const letterPolicy = resolveOptions('deadLetters', postgresDeadLettersChecks, {
        ...retention,
        ...options,
      })
      const open = (): PostgresDeadLetters => new PostgresDeadLetters(database(), letterPolicy)
      return {
        store: open(),
        advance,
        other: () => Promise.resolve(open()),
        async damage(id) {
          await client.query(
            `UPDATE ${schema}.dead_letters SET record = '{"version":1,"id":7}' WHERE id = $1`,
            [id],
          )
        },
        dispose: drop,
      }
    })

    // cool-downs are polled, transitions too: but for the suite of circuits, which asks for each of them
    const twoStores = (options: object = {}) => {
      const own = { schema: newSchema(), listen: false as const, pollIntervalMs: 100, flushIntervalMs: 20 }
      const [one, two] = [own, own].map((given) => postgresStore(subject.client, { ...given, ...options }))
      return {
        one: one!,
        two: two!,
        dispose: async (): Promise<void> => {
          await Promise.all([one!.close(), two!.close()])
          await subject.client.query(`DROP SCHEMA IF EXISTS ${own.schema} CASCADE`)
        },
      }
    }
    if (hears) {
      circuitStoreContract(runner, name, (options) => {
        const listen = () => new pg.Client(server.url)
        return twoPostgresStores(subject.client, { ...options, listen })
      })
    }
    it('brings a transition to the others by the poll', async () => {
      const { one, two, dispose } = twoStores()
      two.circuits.circuit('https://a.test', policy)
      await eventually(() => expect(two.circuits.state('https://a.test').degraded).toBe(false))
      await eventually(async () => {
        await one.circuits.isolate('https://a.test')
        expect(one.circuits.state('https://a.test').degraded).toBe(false)
      })
      await eventually(() => expect(two.circuits.state('https://a.test').override).toBe('isolated'))
      await dispose()
    })
    limitStoreContract(runner, name, () => {
      const { one, two, dispose } = twoStores()
      return Promise.resolve({ store: one.limits, other: two.limits, dispose })
    })

    it('adds within a transaction of its own', async () => {
      const { one, dispose } = twoStores()
      const [kept, undone] = [makeRecord(), makeRecord()]
      await one.deadLetters.stats()
      await subject.transaction(async (client) => {
        await one.deadLetters.within(client).add([kept])
      })
      const thrown: unknown = await subject
        .transaction(async (client) => {
          await one.deadLetters.within(client).add([undone])
          throw new Error('taken back')
        })
        .catch((error: unknown) => error)
      expect(String(thrown)).toContain('taken back')
      expect((await one.deadLetters.get(kept.id))?.id).toBe(kept.id)
      expect(await one.deadLetters.get(undone.id)).toBe(undefined)
      await dispose()
    })
  })
}
