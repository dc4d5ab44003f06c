import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { resolveOptions } from '../../../src/checks.ts'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import {
  PostgresDeadLetters,
  postgresDeadLettersChecks,
} from '../../../src/stores/postgres/dead-letters/dead-letters.ts'
import { deadLetterStoreContract } from '../../../src/testing/contracts/dead-letter-store/contract.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import {
  clockedSchema,
  postgresFixture,
  type PostgresFixture,
} from '../../support/servers/postgres-schemas.ts'
import { runner } from '../runner.ts'

let fixture: PostgresFixture
beforeAll(async () => {
  fixture = await postgresFixture()
})
afterAll(() => fixture.stop())

const defaults = { maxRecords: 20_000, maxBytes: 1e9, maxAgeMs: Infinity, timeoutMs: 30_000 }

deadLetterStoreContract(runner, 'PostgreSQL', async (retention) => {
  const { pool } = fixture
  const { schema, database, advance, drop } = await clockedSchema(pool)
  const policy = resolveOptions('deadLetters', postgresDeadLettersChecks, { ...defaults, ...retention })
  const open = (): PostgresDeadLetters => new PostgresDeadLetters(database(), policy)
  return {
    store: open(),
    advance,
    other: () => Promise.resolve(open()),
    async damage(id) {
      await pool.query(`UPDATE ${schema}.dead_letters SET record = '{"version":1,"id":7}' WHERE id = $1`, [
        id,
      ])
    },
    dispose: drop,
  }
})

describe('the bounds of dead letters in PostgreSQL', () => {
  async function open(retention: Partial<typeof defaults> = {}) {
    const { schema, database } = await clockedSchema(fixture.pool)
    const policy = resolveOptions('deadLetters', postgresDeadLettersChecks, { ...defaults, ...retention })
    return { schema, database, store: new PostgresDeadLetters(database(), policy), policy }
  }

  it('cost old entries, not the new one, where many more than one statement looks at are in excess', async () => {
    const { database, store, policy } = await open()
    await store.add(Array.from({ length: 1_200 }, (_one, at) => makeRecord({ timestamp: 1_000 + at })))
    const smaller = new PostgresDeadLetters(database(), { ...policy, maxRecords: 100 })
    const records = [makeRecord(), makeRecord()]
    for (const record of records) {
      expect(await smaller.add([record])).toMatchObject({ kept: [record.id], refused: [] })
    }
    expect((await smaller.stats()).total).toBe(100)
    expect(await smaller.get(records[0]!.id)).toBeDefined()
  })

  it('are not needed for tombstones to go: what is settled or discarded takes old ones away', async () => {
    const { schema, store } = await open()
    await fixture.pool.query(
      `INSERT INTO ${schema}.dead_letters
         (id, ts, integration, origin, reason, code, replayable, repeatable, bytes, status, due_at)
       SELECT 'old' || nth, 1, 'i', 'o', 'exhausted', 'c', true, true, 0, 'gone', $1::bigint
       FROM generate_series(1, 30) AS nth`,
      [Date.now() - 31 * 24 * 3_600_000],
    )
    const records = Array.from({ length: 4 }, () => makeRecord())
    await store.add(records)
    await store.discard([records[0]!.id])
    const { items } = await store.claim({ limit: 3, leaseMs: 60_000 })
    const replay = { at: 1, outcome: 'done' } as const
    for (const { id, fence } of items) await store.settle(id, fence, { outcome: 'done', replay })
    const { rows } = await fixture.pool.query<{ id: string }>(
      `SELECT id FROM ${schema}.dead_letters WHERE status = 'gone' ORDER BY id`,
    )
    expect(rows.map(({ id }) => id)).toEqual(records.map(({ id }) => id).sort())
  })

  it('take nothing out again that another process was told is kept', async () => {
    const { schema, database, store, policy } = await open({ maxRecords: 2 })
    await store.add([makeRecord({ reason: 'outbox' }), makeRecord({ reason: 'outbox' })])
    const record = makeRecord({ reason: 'outbox' })
    const other = new PostgresDeadLetters(database(), policy)
    let told: Promise<readonly string[]> | undefined
    const between = {
      query: async (text: string, values?: unknown[]) => {
        const result = await fixture.pool.query<Record<string, unknown>>(text, values)
        if (text.includes('INSERT INTO')) await (told ??= other.add([record]).then(({ kept }) => kept))
        return result
      },
    }
    const one = new PostgresDeadLetters(new PostgresDatabase(between, { schema, migrate: false }), policy)
    await one.add([record])
    const there = (await store.list()).items.map(({ id }) => id)
    expect((await told!).filter((id) => !there.includes(id))).toEqual([])
    expect(there).toHaveLength(2)
  })

  it('hold what many add at the same time, and lose none of it', async () => {
    const { database, store, policy } = await open({ maxRecords: 10 })
    const others = [1, 2, 3, 4].map(() => new PostgresDeadLetters(database(), policy))
    const results = await Promise.all(
      Array.from({ length: 40 }, (_one, at) => others[at % 4]!.add([makeRecord({ reason: 'outbox' })])),
    )
    const kept = results.flatMap((result) => result.kept)
    expect((await store.list()).items.map(({ id }) => id).sort()).toEqual([...kept].sort())
    expect(kept.length).toBeGreaterThanOrEqual(10)
    expect((await store.add([makeRecord({ reason: 'outbox' })])).kept).toEqual([])
  })

  it('are kept to by sums that processes make right at the same time', async () => {
    const { schema, database, store, policy } = await open()
    const others = [1, 2, 3].map(() => new PostgresDeadLetters(database(), policy))
    const counts = `${schema}.dead_letter_counts`
    const records = Array.from({ length: 5 }, () => makeRecord())
    await store.add(records)
    await fixture.pool.query(`INSERT INTO ${counts} (base, entries) VALUES (true, 7)`)
    const client = await fixture.pool.connect()
    await client.query('BEGIN')
    // all that make them right have begun before one of them is done
    await client.query(`SELECT FROM ${counts} FOR UPDATE`)
    const added = others.map((other) => other.add([makeRecord()]))
    try {
      await vi.waitFor(async () => {
        const { rows } = await fixture.pool.query(
          `SELECT count(*)::int AS waiting FROM pg_stat_activity
           WHERE wait_event_type = 'Lock' AND query LIKE '%"${schema}".dead_letter_counts%'`,
        )
        expect(rows).toEqual([{ waiting: 3 }])
      }, 10_000)
    } finally {
      await client.query('COMMIT')
      client.release()
    }
    await Promise.all(added)
    const { rows } = await fixture.pool.query(
      `SELECT count(*) FILTER (WHERE base)::int AS bases, sum(entries)::int AS entries FROM ${counts}`,
    )
    expect(rows).toEqual([{ bases: 1, entries: 8 }])
  })
})
