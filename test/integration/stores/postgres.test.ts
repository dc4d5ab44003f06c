import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
import { isStoreFault } from '../../../src/dead-letter/store/fault.ts'
import { postgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { runCli } from '../../support/processes/cli.ts'
import { newSchema, postgresFixture, type PostgresFixture } from '../../support/servers/postgres-schemas.ts'
import { startPostgres } from '../../support/servers/postgres-server.ts'

const { policy } = resolveCircuitBreakerOptions({ failureThreshold: 3 })
const soon = { interval: 10, timeout: 10_000 }

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

/** The statement that the docs give a DBA, for another schema. */
async function documentedRights(schema: string, role: string): Promise<string> {
  const text = await readFile('docs/postgres.md', 'utf8')
  const [, sql = ''] = /```sql\n(CREATE ROLE[\s\S]*?)```/.exec(text) ?? []
  return sql.replaceAll('undici_resilience', schema).replaceAll(/\bapp\b/g, role)
}

test('twelve processes that start at once make the tables once', async () => {
  const schema = newSchema()
  const stores = Array.from({ length: 12 }, () => postgresStore(fixture.pool, { schema, listen: false }))
  await Promise.all(stores.map((store) => store.deadLetters.stats()))
  const { rows } = await fixture.pool.query(`SELECT version FROM ${schema}.meta`)
  expect(rows).toEqual([{ version: 1 }, { version: 2 }, { version: 3 }, { version: 4 }])
})

test('a schema may be named by a word that SQL has for itself', async () => {
  const store = postgresStore(fixture.pool, { schema: 'user' })
  const record = makeRecord()
  try {
    expect(await store.deadLetters.add([record])).toMatchObject({ kept: [record.id] })
    await store.circuits.isolate('https://a.test')
    await vi.waitFor(
      async () =>
        expect(await store.circuits.directory.find('https://a.test')).toMatchObject({ override: 'isolated' }),
      soon,
    )
    await store.limits.directory!.cool('https://a.test', 60_000)
    expect(await store.limits.directory!.list()).toMatchObject([{ key: 'https://a.test' }])
    const listed = await runCli(['dead-letters', 'list', '--store', fixture.server.url, '--schema', 'user'])
    expect(listed).toMatchObject({ code: 0 })
  } finally {
    await store.close()
  }
})

test('without the right to make tables it says what to run, and works with what the docs grant once that was run', async () => {
  const { pool, server } = fixture
  const schema = newSchema()
  const role = `app_${schema}`
  await pool.query(`CREATE SCHEMA ${schema}`)
  await pool.query(await documentedRights(schema, role))
  const own = new pg.Pool({ connectionString: server.url.replace('postgres@', `${role}@`), max: 4 })
  own.on('error', () => undefined)
  const store = postgresStore(own, { schema, migrate: false })
  try {
    await expect(store.deadLetters.stats()).rejects.toThrow(
      `npx undici-resilience postgres sql --schema ${schema}`,
    )

    const printed = await runCli(['postgres', 'sql', '--schema', schema])
    expect(printed.code).toBe(0)
    await pool.query(printed.stdout)
    await pool.query((await documentedRights(schema, role)).replace(/CREATE ROLE.*\n/, ''))
    const record = makeRecord()
    expect((await store.deadLetters.add([record])).kept).toEqual([record.id])
    const { items } = await store.deadLetters.claim({ limit: 1, leaseMs: 1_000 })
    expect(
      await store.deadLetters.settle(record.id, items[0]!.fence, {
        outcome: 'done',
        replay: { at: 1, outcome: 'done' },
      }),
    ).toBe('done')
    expect((await store.deadLetters.add([record])).settled).toEqual([record.id])
    expect(await store.circuits.directory.overrule('https://a.test', 'isolate')).toMatchObject({
      state: 'open',
    })
    expect(await store.circuits.directory.list()).toHaveLength(1)
  } finally {
    await store.close()
    await own.end()
  }
})

test('tables of the first version are brought up to date, and keep what is in them', async () => {
  const schema = newSchema()
  const record = makeRecord()
  await postgresStore(fixture.pool, { schema }).deadLetters.add([record])
  await fixture.pool.query(`
    DROP FUNCTION ${schema}.limit_exchange;
    DROP TABLE ${schema}.limits, ${schema}.limit_leases, ${schema}.limit_cooldowns;
    DROP INDEX ${schema}.dead_letters_evictable;
    DELETE FROM ${schema}.meta WHERE version > 1`)
  const store = postgresStore(fixture.pool, { schema })
  try {
    expect(await store.deadLetters.get(record.id)).toMatchObject({ id: record.id })
    expect(await store.limits.directory?.cool('https://a.test', 1_000)).toBe(1_000)
    const { rows } = await fixture.pool.query('SELECT to_regclass($1)::text AS found', [
      `${schema}.dead_letters_evictable`,
    ])
    expect(rows).toEqual([{ found: `${schema}.dead_letters_evictable` }])
  } finally {
    await store.close()
  }
})

test('a page is found by the index, wherever it is, and so is what was captured in a time', async () => {
  const schema = newSchema()
  const plans: string[] = []
  const client = await fixture.pool.connect()
  try {
    await client.query('SET enable_seqscan = off')
    const explaining = {
      async query(text: string, values: unknown[] = []) {
        if (text.includes('ORDER BY d.ts DESC')) {
          const { rows } = await client.query(`EXPLAIN (FORMAT JSON) ${text}`, values)
          plans.push(JSON.stringify(rows))
        }
        return client.query(text, values)
      },
    }
    const { deadLetters } = postgresStore(explaining, { schema })
    await deadLetters.add(Array.from({ length: 5 }, () => makeRecord()))
    const { cursor = '' } = await deadLetters.list({ limit: 2 })
    await deadLetters.list({ limit: 2, cursor, from: 1.5, to: 1e300 })
    expect(plans[1]).toMatch(/"Index Cond":"[^"]*ROW\(ts, id\) < /)
    expect(plans[1]).toMatch(/"Index Cond":"[^"]*ts >= /)
    // nothing but what has been settled is left out row by row
    expect(plans[1]).not.toContain('"Filter"')
  } finally {
    client.release(true)
  }
})

test('tables of a newer version are refused, as an outage', async () => {
  const schema = newSchema()
  const { deadLetters } = postgresStore(fixture.pool, { schema })
  await deadLetters.stats()
  await fixture.pool.query(`INSERT INTO ${schema}.meta VALUES (99, now())`)
  const error: unknown = await postgresStore(fixture.pool, { schema })
    .deadLetters.add([makeRecord()])
    .catch((thrown: unknown) => thrown)
  expect(String(error)).toContain('have version 99, this package knows 4')
  expect(isStoreFault(error)).toBe(true)
})

test('what went missing of the circuits comes back from the processes', async () => {
  const schema = newSchema()
  const store = postgresStore(fixture.pool, { schema, pollIntervalMs: 100 })
  try {
    await store.circuits.isolate('https://a.test')
    await vi.waitFor(() => expect(store.circuits.state('https://a.test').degraded).toBe(false), soon)
    await store.circuits.isolate('https://a.test')
    await fixture.pool.query(`TRUNCATE ${schema}.circuits, ${schema}.circuit_counts`)
    await vi.waitFor(
      async () =>
        expect(await store.circuits.directory.find('https://a.test')).toMatchObject({ override: 'isolated' }),
      soon,
    )
  } finally {
    await store.close()
  }
})

test('where LISTEN hears nothing it warns once, and the poll brings transitions', async () => {
  const warnings: string[] = []
  const note = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', note)
  const schema = newSchema()
  // as behind a pooler in transaction mode: LISTEN succeeds, and is none
  const deaf = (): pg.Client => {
    const client = new pg.Client(fixture.server.url)
    const query = client.query.bind(client) as (text: string) => unknown
    return Object.assign(client, {
      query: (text: string) => query(text.startsWith('LISTEN') ? 'SELECT 1' : text),
    })
  }
  const options = { schema, listen: deaf, pollIntervalMs: 100 }
  const [one, two] = [postgresStore(fixture.pool, options), postgresStore(fixture.pool, options)]
  try {
    two.circuits.circuit('https://a.test', policy)
    await vi.waitFor(() => expect(warnings.join()).toContain('circuits are polled, not pushed'), soon)
    await one.circuits.isolate('https://a.test')
    await vi.waitFor(() => expect(two.circuits.state('https://a.test').override).toBe('isolated'), soon)
    await vi.waitFor(() => expect(warnings).toHaveLength(2), soon)
  } finally {
    process.off('warning', note)
    await Promise.all([one.close(), two.close()])
  }
})

test('while the server is away calls go on, captures fail as an outage, and circuits are shared again afterwards', async () => {
  const schema = newSchema()
  const server = await startPostgres()
  const pool = new pg.Pool({ connectionString: server.url, max: 4, connectionTimeoutMillis: 1_000 })
  pool.on('error', () => undefined)
  const options = { schema, pollIntervalMs: 200 }
  const [one, two] = [postgresStore(pool, options), postgresStore(pool, options)]
  const key = 'https://a.test'
  try {
    const circuit = one.circuits.circuit(key, policy)
    two.circuits.circuit(key, policy)
    await one.deadLetters.stats()
    await vi.waitFor(() => expect(two.circuits.state(key)).toMatchObject({ degraded: false }), soon)
    await server.kill()
    const error: unknown = await one.deadLetters.add([makeRecord()]).catch((thrown: unknown) => thrown)
    expect(isStoreFault(error)).toBe(true)
    for (let times = 0; times < 3; times++) circuit.failed(circuit.generation, 1, 0)
    await vi.waitFor(
      () => expect(one.circuits.state(key)).toMatchObject({ state: 'open', degraded: true }),
      soon,
    )
    await server.restart()
    await one.circuits.isolate(key)
    await vi.waitFor(() => {
      expect(one.circuits.state(key)).toMatchObject({ degraded: false, override: 'isolated' })
      expect(two.circuits.state(key)).toMatchObject({ degraded: false, override: 'isolated' })
    }, soon)
  } finally {
    await Promise.all([one.close(), two.close()])
    await pool.end()
    await server.stop()
  }
})

test('the command line works on it, and never shows the password', async () => {
  const schema = newSchema()
  const store = postgresStore(fixture.pool, { schema })
  const record = makeRecord({ integration: 'crm' })
  await store.deadLetters.add([record], { status: 'quarantined' })
  const url = fixture.server.url.replace('postgres@', 'postgres:hush@')
  const cli = (...args: string[]): ReturnType<typeof runCli> =>
    runCli([...args, '--store', url, '--schema', schema])

  expect((await cli('dead-letters', 'list', '--json')).json()).toMatchObject([{ id: record.id }])
  expect((await cli('dead-letters', 'requeue', record.id)).code).toBe(0)
  expect((await cli('dead-letters', 'stats', '--json')).json()).toMatchObject([{ byStatus: { pending: 1 } }])
  expect((await cli('circuits', 'isolate', 'https://a.test')).code).toBe(0)
  expect((await cli('circuits', 'list', '--json')).json()).toMatchObject([
    { key: 'https://a.test', override: 'isolated' },
  ])
  const doctor = await cli('doctor', '--json')
  expect(doctor.json().map(({ level, check }) => [check, level])).toEqual(
    [
      'PostgreSQL',
      'schema',
      'writes',
      'rights',
      'synchronous_commit',
      'latency',
      'dead letters',
      'circuits',
    ].map((check) => [check, 'ok']),
  )
  const missing = await runCli(['dead-letters', 'stats', '--store', url, '--schema', 'not_there'])
  expect(missing.code).toBe(3)
  expect(missing.stderr).toContain('there are no tables in schema not_there')
  const away = await runCli(['doctor', '--store', 'postgres://me:hush@127.0.0.1:1/db'])
  expect(away.code).toBe(3)
  expect(away.stderr).toContain('cannot reach postgres://127.0.0.1:1/db')
  expect([missing.stderr, away.stderr, doctor.stdout].join()).not.toContain('hush')
  await store.close()
}, 60_000)
