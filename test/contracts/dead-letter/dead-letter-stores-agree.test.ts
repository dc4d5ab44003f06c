import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/checks.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { Settlement } from '../../../src/dead-letter/store/settlement.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import {
  PostgresDeadLetters,
  postgresDeadLettersChecks,
} from '../../../src/stores/postgres/dead-letters/dead-letters.ts'
import { migrationSql } from '../../../src/stores/postgres/schema.ts'
import {
  redisDeadLetters,
  redisDeadLettersChecks,
} from '../../../src/stores/redis/dead-letters/dead-letters.ts'
import { SqliteDatabase } from '../../../src/stores/sqlite/database.ts'
import { SqliteDeadLetters } from '../../../src/stores/sqlite/dead-letters.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { postgresFixture, type PostgresFixture, preparing } from '../../support/servers/postgres-schemas.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

/** A pool of records that the operations choose from: all that the stores treat differently. */
function pool(): DeadLetterRecord[] {
  const at = Date.now() - 10_000
  return Array.from({ length: 12 }, (_, n) =>
    makeRecord({
      timestamp: at + n,
      integration: n % 3 === 0 ? 'a' : 'b',
      replayable: n !== 5,
      ...(n % 4 === 3 ? { orderingKey: 'order' } : {}),
      ...(n % 3 === 1 ? { repeatable: n % 2 === 1 } : {}),
      ...(n % 4 === 2 ? { reason: 'outbox' } : {}),
      ...(n === 7 ? { notBefore: Date.now() + 3_600_000 } : {}),
      ...(n % 5 === 0 ? { labels: { tenant: String(n) } } : {}),
      request: { method: n % 2 === 0 ? 'PUT' : 'POST' },
    }),
  )
}

const SHORT = 1
const LONG = 3_600_000
const index = fc.nat({ max: 11 })
const settlement = fc.constantFrom<Settlement>(
  { outcome: 'done', replay: { at: 1, outcome: 'done' } },
  { outcome: 'failed', replay: { at: 1, outcome: 'failed', statusCode: 500 }, delayMs: 0, maxReplays: 2 },
  { outcome: 'failed', replay: { at: 1, outcome: 'failed' }, delayMs: LONG, maxReplays: 9 },
  { outcome: 'later', delayMs: 0 },
  { outcome: 'later', delayMs: 0, replay: { at: 1, outcome: 'failed', statusCode: 429 } },
  { outcome: 'in-doubt', replay: { at: 1, outcome: 'in-doubt' }, note: 'why' },
  { outcome: 'quarantined', replay: { at: 1, outcome: 'refused' }, note: 'no' },
)

type Operation =
  | { do: 'add'; which: number[]; quarantined: boolean }
  | {
      do: 'claim'
      limit: number
      lease: number
      how: 'due' | 'name' | 'ids' | 'transfer'
      which: number[]
      max: number
      lapseDelay: number
    }
  | { do: 'renew'; which: number; lease: number; stale: boolean }
  | { do: 'settle'; which: number; how: Settlement; stale: boolean }
  | { do: 'requeue' | 'discard'; which: number[] }
  | { do: 'wait' }

const some = fc.uniqueArray(index, { minLength: 1, maxLength: 6 })
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('add' as const), which: some, quarantined: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      limit: fc.integer({ min: 1, max: 4 }),
      lease: fc.constantFrom(SHORT, LONG),
      how: fc.constantFrom('due' as const, 'name' as const, 'ids' as const, 'transfer' as const),
      which: some,
      max: fc.constantFrom(1, 3, 1000),
      lapseDelay: fc.constantFrom(0, 0, LONG),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('renew' as const),
      which: index,
      lease: fc.constantFrom(SHORT, LONG),
      stale: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: index,
      how: settlement,
      stale: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('requeue' as const, 'discard' as const), which: some }),
  },
  { weight: 2, arbitrary: fc.constant<Operation>({ do: 'wait' }) },
)

/** Of the store. Where they are narrow the batches have one record: what goes for another of its batch is for each store to say. */
const bounds = fc.record({
  maxRecords: fc.constantFrom(1000, 1000, 4, 7),
  maxBytes: fc.constantFrom(1e8, 1e8, 4_000),
})
type Bounds = typeof bounds extends fc.Arbitrary<infer B> ? B : never

let server: RunningRedis
let client: Redis
let postgres: PostgresFixture
// made once: to make tables and to plan statements for each run would take most of the time
let tables: PostgresDatabase
beforeAll(async () => {
  postgres = await postgresFixture()
  await postgres.pool.query(migrationSql('agree'))
  tables = new PostgresDatabase(preparing(postgres.pool), { schema: 'agree', migrate: false })
  server = await startRedis()
  client = new Redis(server.url)
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
  await postgres.stop()
})

/** As right after their migration. */
async function emptyTables(): Promise<void> {
  await postgres.pool.query(`
    DELETE FROM agree.dead_letters;
    DELETE FROM agree.dead_letter_counts;
    INSERT INTO agree.dead_letter_counts (base) VALUES (true)`)
}

let runs = 0

/** Replies of one store to the operations, with the ids as numbers of the pool. */
async function replies(
  store: DeadLetterStore,
  records: DeadLetterRecord[],
  operations: Operation[],
  { maxRecords, maxBytes }: Bounds,
): Promise<unknown[]> {
  const isNarrow = maxRecords < 1000 || maxBytes < 1e8
  const number = (id: string): number => records.findIndex((record) => record.id === id)
  const ids = (which: number[]): string[] => which.map((n) => records[n]!.id)
  const fences = new Map<number, number>()
  const log: unknown[] = []
  for (const one of operations) {
    switch (one.do) {
      case 'add': {
        const options = one.quarantined ? ({ status: 'quarantined', note: 'import' } as const) : {}
        for (const which of isNarrow ? one.which.map((n) => [n]) : [one.which]) {
          const { kept, duplicates, settled, evicted, refused } = await store.add(
            which.map((n) => records[n]!),
            options,
          )
          log.push([
            kept.map(number),
            duplicates,
            ...[settled, evicted, refused].map((some) => some.map(number)),
          ])
        }
        break
      }
      case 'claim': {
        const selected =
          one.how === 'name'
            ? { filter: { integration: 'a' } }
            : one.how === 'ids'
              ? { ids: ids(one.which) }
              : one.how === 'transfer'
                ? { purpose: 'transfer' as const }
                : {}
        // a transfer goes in an order of the store's own
        const limit = one.how === 'transfer' ? 100 : one.limit
        const { items } = await store.claim({
          limit,
          leaseMs: one.lease,
          maxReplays: one.max,
          lapseDelayMs: one.lapseDelay,
          ...selected,
        })
        for (const item of items) fences.set(number(item.id), item.fence)
        const claimed = items.map((item) => [number(item.id), item.replayCount, item.leasedFrom] as const)
        log.push(one.how === 'transfer' ? claimed.sort(([a], [b]) => a - b) : claimed)
        break
      }
      case 'renew':
        log.push(
          await store.renew(
            records[one.which]!.id,
            (fences.get(one.which) ?? 999) - (one.stale ? 1 : 0),
            one.lease,
          ),
        )
        break
      case 'settle':
        log.push(
          await store.settle(
            records[one.which]!.id,
            (fences.get(one.which) ?? 999) - (one.stale ? 1 : 0),
            one.how,
          ),
        )
        break
      case 'requeue':
      case 'discard':
        log.push(await store[one.do](ids(one.which)))
        break
      case 'wait':
        await sleep(SHORT + 2)
    }
    const { items } = await store.list()
    log.push(
      items.map(({ id, status, replayCount, replays, note }) => [
        number(id),
        status,
        replayCount,
        replays.map((replay) => replay.outcome),
        note,
      ]),
    )
    const { byStatus, total, counters, bytes } = await store.stats()
    log.push([byStatus, total, counters, bytes])
  }
  return log
}

it(
  'the memory, SQLite, Redis and PostgreSQL stores answer alike, whatever is asked of them in whatever order',
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        bounds,
        fc.array(operation, { minLength: 1, maxLength: 25 }),
        async (within, given) => {
          // a short lease is over before the next operation, in every store; and what two operations make due at their
          // time is so at two times, in a store that takes both in one millisecond, too
          const operations = given.flatMap((one): Operation[] =>
            ('lease' in one && one.lease === SHORT) || one.do === 'settle' || one.do === 'requeue'
              ? [one, { do: 'wait' }]
              : [one],
          )
          const records = pool()
          const redis = redisDeadLetters(
            client,
            `agree-${++runs}`,
            resolveOptions('redisDeadLetters', redisDeadLettersChecks, { ...within, maxAgeMs: Infinity }),
          )
          await emptyTables()
          const rows = new PostgresDeadLetters(
            tables,
            resolveOptions('postgres', postgresDeadLettersChecks, { ...within, maxAgeMs: Infinity }),
          )
          const file = new SqliteDatabase(':memory:', 1000)
          const sqlite = new SqliteDeadLetters(file, { ...within, maxAgeMs: Infinity })
          try {
            const expected = await replies(localDeadLetters(within), records, operations, within)
            const fromFile = await replies(sqlite, records, operations, within)
            expect(fromFile).toEqual(expected)
            expect(await replies(redis, records, operations, within)).toEqual(expected)
            expect(await replies(rows, records, operations, within)).toEqual(expected)
          } finally {
            await redis.close()
            file.close()
          }
        },
      ),
      { numRuns: Number(process.env['AGREE_RUNS'] ?? 100), interruptAfterTimeLimit: 40_000 },
    )
  },
)

it('one id in place of a list is refused by each of them, which would find none of its letters', async () => {
  const redis = redisDeadLetters(
    client,
    `agree-${++runs}`,
    resolveOptions('redisDeadLetters', redisDeadLettersChecks, {}),
  )
  const rows = new PostgresDeadLetters(tables, resolveOptions('postgres', postgresDeadLettersChecks, {}))
  const file = new SqliteDatabase(':memory:', 1000)
  const sqlite = new SqliteDeadLetters(file, { maxRecords: 1000, maxBytes: 1e8, maxAgeMs: Infinity })
  try {
    for (const store of [localDeadLetters(), sqlite, redis, rows] as DeadLetterStore[]) {
      for (const change of ['discard', 'requeue'] as const) {
        await expect(store[change]('0193a5c2' as never)).rejects.toThrow(
          new TypeError('`ids` must be an array, got "0193a5c2"'),
        )
      }
    }
  } finally {
    await redis.close()
    file.close()
  }
})
