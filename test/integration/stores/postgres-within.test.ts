import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { postgresStore, type PostgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { newSchema, postgresFixture, type PostgresFixture } from '../../support/servers/postgres-schemas.ts'

let fixture: PostgresFixture
let schema: string
let store: PostgresStore
let client: pg.PoolClient
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())
beforeEach(async () => {
  schema = newSchema()
  store = postgresStore(fixture.pool, { schema, deadLetters: { maxRecords: 3 } })
  await store.deadLetters.stats()
  await fixture.pool.query(`CREATE TABLE ${schema}.orders (id text PRIMARY KEY)`)
  client = await fixture.pool.connect()
  await client.query('BEGIN')
})
afterEach(async () => {
  await client.query('ROLLBACK')
  client.release()
  await store.close()
})

const order = (id: string): Promise<unknown> => client.query(`INSERT INTO ${schema}.orders VALUES ($1)`, [id])

test('an entry that is added within a transaction is there when that is committed, and not before', async () => {
  const record = makeRecord()
  await order(record.id)
  expect(await store.deadLetters.within(client).add([record])).toMatchObject({ kept: [record.id] })
  expect(await store.deadLetters.get(record.id)).toBeUndefined()
  expect((await store.deadLetters.claim({ limit: 10, leaseMs: 1_000 })).items).toEqual([])
  await client.query('COMMIT')
  expect(await store.deadLetters.get(record.id)).toMatchObject({ id: record.id, status: 'pending' })
  expect(await store.deadLetters.stats()).toMatchObject({ total: 1, counters: { captured: 1 } })
  expect((await store.deadLetters.claim({ limit: 10, leaseMs: 1_000 })).items).toHaveLength(1)
})

test('a rollback leaves nothing of it: no entry, no count, and the same record can be added afterwards', async () => {
  const record = makeRecord()
  await store.deadLetters.within(client).add([record])
  await client.query('ROLLBACK')
  expect(await store.deadLetters.stats()).toMatchObject({ total: 0, bytes: 0, counters: { captured: 0 } })
  expect(await store.deadLetters.add([record])).toMatchObject({ kept: [record.id], duplicates: 0 })
})

test('a transaction whose session is lost leaves nothing either', async () => {
  const own = new pg.Client(fixture.server.url)
  own.on('error', () => undefined)
  await own.connect()
  await own.query('BEGIN')
  await store.deadLetters.within(own).add([makeRecord()])
  await own.end()
  await vi.waitFor(async () => {
    const { rows } = await fixture.pool.query(`SELECT FROM pg_locks WHERE relation = $1::regclass`, [
      `${schema}.dead_letters`,
    ])
    expect(rows).toEqual([])
  }, 10_000)
  expect((await store.deadLetters.stats()).total).toBe(0)
})

test('what was settled or discarded before does not come back by it', async () => {
  const record = makeRecord()
  await store.deadLetters.add([record])
  await store.deadLetters.discard([record.id])
  expect(await store.deadLetters.within(client).add([record])).toMatchObject({
    kept: [],
    settled: [record.id],
  })
})

test('errors of the client are thrown as they are, with their codes', async () => {
  const record = makeRecord()
  await order('same')
  await expect(order('same')).rejects.toMatchObject({ code: '23505' })
  await expect(store.deadLetters.within(client).add([record])).rejects.toMatchObject({
    name: 'error',
    code: '25P02',
  })
})

test('the bounds of the store are kept to, apart from the transaction', async () => {
  const old = Array.from({ length: 3 }, (_one, at) =>
    makeRecord({ timestamp: Date.now() - 1_000 * (3 - at) }),
  )
  await store.deadLetters.add(old)
  const record = makeRecord()
  await store.deadLetters.within(client).add([record])
  await client.query('COMMIT')
  await store.deadLetters.within(client).add([makeRecord()])
  await vi.waitFor(async () => expect((await store.deadLetters.stats()).total).toBeLessThanOrEqual(3), 10_000)
  expect(await store.deadLetters.get(record.id)).toBeDefined()
})

test('a pool is refused: each of its statements is a transaction of its own', async () => {
  expect(() => store.deadLetters.within(fixture.pool)).toThrow(TypeError)
  expect(() => store.deadLetters.within(fixture.pool)).toThrow('use `await pool.connect()`')
  expect(() => store.deadLetters.within(undefined as never)).toThrow('`client` must be')
  const sink = store.deadLetters.within(client)
  await store.close()
  await expect(sink.add([makeRecord()])).rejects.toThrow('closed')
})

test('the first transactions of a process may hold all connections of the pool', async () => {
  const pool = new pg.Pool({ connectionString: fixture.server.url, max: 2 })
  const fresh = postgresStore(pool, { schema, listen: false })
  try {
    const clients = await Promise.all([pool.connect(), pool.connect()])
    const results = await Promise.all(
      clients.map(async (own) => {
        await own.query('BEGIN')
        try {
          return await fresh.deadLetters.within(own).add([makeRecord()])
        } finally {
          await own.query('COMMIT')
          own.release()
        }
      }),
    )
    expect(results.map(({ kept }) => kept.length)).toEqual([1, 1])
    expect((await fresh.deadLetters.stats()).total).toBe(2)
  } finally {
    await fresh.close()
    await pool.end()
  }
})

test('where there are no tables it waits for the pool to make them no longer than a statement may take', async () => {
  const pool = new pg.Pool({ connectionString: fixture.server.url, max: 1 })
  const deadLetters = { timeoutMs: 100 }
  const fresh = postgresStore(pool, { schema: newSchema(), listen: false, deadLetters })
  try {
    const own = await pool.connect()
    await own.query('BEGIN')
    await expect(fresh.deadLetters.within(own).add([makeRecord()])).rejects.toThrow('making the tables')
    // the transaction goes on
    expect((await own.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await own.query('COMMIT')
    own.release()
    await vi.waitFor(() => fresh.deadLetters.stats(), 10_000)
  } finally {
    await fresh.close()
    await pool.end()
  }
})

test('statements that the server takes back in favour of others are sent again, under any isolation', async () => {
  const options = '-c default_transaction_isolation=serializable'
  const pool = new pg.Pool({ connectionString: fixture.server.url, max: 8, options })
  pool.on('error', () => undefined)
  const strict = postgresStore(pool, { schema, listen: false, deadLetters: { timeoutMs: 30_000 } })
  try {
    const records = Array.from({ length: 40 }, () => makeRecord({ id: randomUUID() }))
    const results = await Promise.all(
      records.map(async (record) => {
        await strict.deadLetters.add([record])
        const { items } = await strict.deadLetters.claim({ limit: 1, leaseMs: 60_000 })
        for (const { id, fence } of items) {
          await strict.deadLetters.settle(id, fence, {
            outcome: 'done',
            replay: { at: 1, outcome: 'done' },
          })
        }
        return items.length
      }),
    )
    expect(results).toHaveLength(40)
    expect(await strict.deadLetters.stats()).toMatchObject({ counters: { captured: 40 } })
  } finally {
    await strict.close()
    await pool.end()
  }
})

test('what finds no room is refused, and is not there when the transaction is committed all the same', async () => {
  const owed = [1, 2].map(() => makeRecord({ reason: 'outbox' }))
  await store.deadLetters.add(owed)
  const [first, second, third] = [1, 2, 3].map(() => makeRecord({ reason: 'outbox' }))
  await order('paid')
  expect(await store.deadLetters.within(client).add([first!, second!, first!])).toMatchObject({
    kept: [first!.id, first!.id],
    duplicates: 1,
    refused: [second!.id],
    evicted: [],
  })
  expect(await store.deadLetters.within(client).add([third!])).toMatchObject({ refused: [third!.id] })
  await client.query('COMMIT')
  const { items } = await store.deadLetters.list()
  expect(items.map(({ id }) => id).sort()).toEqual([...owed, first!].map(({ id }) => id).sort())
  expect(await store.deadLetters.stats()).toMatchObject({ total: 3, counters: { captured: 3, evicted: 0 } })
})

test('what can be made room for is kept, and what goes for it goes apart from the transaction', async () => {
  const failed = makeRecord()
  await store.deadLetters.add([makeRecord({ reason: 'outbox' }), failed, makeRecord({ reason: 'outbox' })])
  const added = makeRecord({ reason: 'outbox' })
  expect(await store.deadLetters.within(client).add([added])).toMatchObject({ kept: [added.id], refused: [] })
  await client.query('COMMIT')
  const next = makeRecord({ reason: 'outbox' })
  expect(await store.deadLetters.add([next])).toMatchObject({ kept: [], refused: [next.id] })
  await vi.waitFor(async () => expect((await store.deadLetters.stats()).total).toBe(3), 10_000)
  expect(await store.deadLetters.get(failed.id)).toBeUndefined()
  expect(await store.deadLetters.get(added.id)).toBeDefined()
})
