import { describe, expect, it } from 'vitest'
import { postgresStore, type PostgresStoreOptions } from '../../../../src/stores/postgres/postgres-store.ts'
import { TimeLimitError } from '../../../../src/time/time-limit.ts'

const client = { query: () => Promise.resolve({ rows: [] }) }

describe('postgresStore', () => {
  it.each([
    ['postgres://me:secret@host/db', 'got a string: hand in `new pg.Pool({ connectionString })`'],
    [new URL('postgres://me:secret@host/db'), 'got a URL'],
    [Object.assign(() => undefined, { unsafe: () => undefined }), 'postgres.js: hand in `{ query: async'],
    [{ $queryRawUnsafe: () => undefined }, 'a client of Prisma'],
    [{ $client: {} }, 'its pool, `db.$client`'],
    [Object.assign(() => undefined, { raw: () => undefined }), 'an instance of knex'],
    [{ query: () => undefined, execute: () => undefined }, 'a client of MySQL'],
    [undefined, 'got undefined'],
    [{}, 'got an object'],
  ])('says what was meant when it is handed %o', (pool, message) => {
    const make = (): unknown => postgresStore(pool as never)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(message)
    expect(make).not.toThrow('secret')
  })

  it.each([
    [{ schema: 'Resilience' }, '`schema` must be 1 to 41 lower-case letters'],
    [{ schema: 'a; drop table b' }, '`schema`'],
    [{ schema: 'x'.repeat(42) }, '`schema`'],
    [{ schema: 'pg_resilience' }, '`schema` must not begin with `pg_`'],
    [{ listen: true }, '`listen` must be false or a function that makes a pg.Client, got true'],
    [{ flushIntervalMs: 19 }, '`flushIntervalMs` must be'],
    [{ deadLetters: { timeoutMs: 9 } }, '`deadLetters.timeoutMs`'],
    [{ prefix: 'x' }, '`prefix`'],
  ])('refuses %o', (options, message) => {
    expect(() => postgresStore(client, options as PostgresStoreOptions)).toThrow(message)
  })

  it('asks nothing of the client before it is used', async () => {
    let queries = 0
    const store = postgresStore({
      query: () => {
        queries++
        return Promise.resolve({ rows: [] })
      },
    })
    await store.close()
    expect(queries).toBe(0)
  })

  it('waits for tables no longer than a statement may take, also where PostgreSQL never answered', async () => {
    const silent = { query: () => new Promise<never>(() => undefined) }
    const store = postgresStore(silent, { listen: false, deadLetters: { timeoutMs: 50 } })
    const start = performance.now()
    await expect(store.deadLetters.stats()).rejects.toThrow(TimeLimitError)
    await expect(store.deadLetters.stats()).rejects.toThrow('longer than 50 ms')
    expect(performance.now() - start).toBeLessThan(20_000)
    await store.close()
  })
})
