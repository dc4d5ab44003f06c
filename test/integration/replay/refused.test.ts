import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Agent } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ReplayOptions, ReplayProgress } from '../../../src/dead-letter/replay/options.ts'
import { replayDeadLetters, startReplayer } from '../../../src/replay.ts'
import type { ResilienceStore } from '../../../src/store.ts'
import { memoryStore } from '../../../src/stores/memory/memory-store.ts'
import { postgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { newSchema, postgresFixture, type PostgresFixture } from '../../support/servers/postgres-schemas.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

let fixture: PostgresFixture
let redis: RunningRedis
let client: Redis
let folder: string
let files = 0
beforeAll(async () => {
  fixture = await postgresFixture()
  redis = await startRedis()
  client = new Redis(redis.url)
  folder = await mkdtemp(join(tmpdir(), 'refused-'))
})
afterAll(async () => {
  client.disconnect()
  await redis.stop()
  await fixture.stop()
  await rm(folder, { recursive: true })
})

let provider: Provider
let agent: Agent
let store: ResilienceStore
let told: ReplayProgress[]
beforeEach(async () => {
  provider = await startProvider(ok)
  agent = new Agent()
  told = []
})
afterEach(async () => {
  await agent.destroy()
  await provider.close()
  await store.close()
})

const options = (more: Partial<ReplayOptions> = {}): ReplayOptions => ({
  allowedOrigins: [provider.url],
  dispatcher: agent,
  ratePerSecond: Infinity,
  onProgress: (one) => told.push(one),
  ...more,
})
const credentials = (): Record<string, string> => ({ authorization: 'Bearer new' })

/** Those that had a credential are due before those that had none. */
async function add(lacking: number, others: number): Promise<void> {
  const at = Date.now() - 10_000
  await store.deadLetters.add(
    Array.from({ length: lacking + others }, (_, n) =>
      makeRecord({
        timestamp: at + n,
        request: {
          url: `${provider.url}/${n}`,
          ...(n < lacking ? { omittedHeaders: ['authorization'] } : {}),
        },
      }),
    ),
  )
}

describe.each<[string, () => ResilienceStore]>([
  ['memory', () => memoryStore()],
  ['SQLite', () => sqliteStore(join(folder, `${++files}.db`))],
  ['Redis', () => redisStore(client, { prefix: `refused-${++files}` })],
  ['PostgreSQL', () => postgresStore(fixture.pool, { schema: newSchema() })],
])('entries for which a credential is missing, in %s', (_name, make) => {
  beforeEach(() => {
    store = make()
  })

  it('are refused once in a run, hold up no others, and are due again at once for the next', async () => {
    await add(23, 9)
    expect(await replayDeadLetters(store.deadLetters, options())).toMatchObject({
      claimed: 32,
      refused: 23,
      done: 9,
      skipped: 0,
    })
    expect(told).toHaveLength(32)
    expect((await store.deadLetters.stats()).byStatus).toMatchObject({ pending: 23, leased: 0 })
    expect(await replayDeadLetters(store.deadLetters, options({ credentials }))).toMatchObject({
      claimed: 23,
      done: 23,
    })
  })

  it('are refused in the order of their keys, and hold up those behind them alone', async () => {
    const at = Date.now() - 10_000
    await store.deadLetters.add(
      ['a', 'a', 'b', 'b'].map((orderingKey, n) =>
        makeRecord({
          timestamp: at + n,
          orderingKey,
          request: {
            url: `${provider.url}/${n}`,
            ...(n === 0 ? { omittedHeaders: ['authorization'] } : {}),
          },
        }),
      ),
    )
    expect(await replayDeadLetters(store.deadLetters, options())).toMatchObject({ refused: 1, done: 2 })
    expect(await replayDeadLetters(store.deadLetters, options({ credentials }))).toMatchObject({ done: 2 })
    expect(provider.received.map(({ url }) => url)).toEqual(['/2', '/3', '/0', '/1'])
  })

  it('are not met again and again by a replayer, which leaves them for a while', async () => {
    await add(6, 1)
    const claim = vi.spyOn(store.deadLetters, 'claim')
    const replayer = startReplayer(store.deadLetters, { ...options(), intervalMs: 10 })
    await vi.waitFor(() => expect(claim.mock.calls.length).toBeGreaterThan(30), 20_000)
    await replayer.close()
    expect(told.map(({ outcome }) => outcome).sort()).toEqual(['done', ...Array<string>(6).fill('refused')])
    const { items } = await store.deadLetters.list()
    expect(Math.min(...items.map(({ dueAt }) => dueAt))).toBeGreaterThan(Date.now() + 5_000)
  })
})

it('a run that has refused some still sits out the waits of the provider for the others', async () => {
  store = memoryStore()
  await add(12, 6)
  provider.replies = [ok, status(429, { 'retry-after': '1' }), ok]
  expect(await replayDeadLetters(store.deadLetters, options({ concurrency: 2 }))).toMatchObject({
    refused: 12,
    done: 6,
    leftAlone: [],
  })
})

it('a run that is ended leaves what it has refused to its backoff', async () => {
  store = memoryStore()
  await add(3, 0)
  const ending = new AbortController()
  const onProgress = (one: ReplayProgress): void => {
    if (told.push(one) === 2) ending.abort()
  }
  await replayDeadLetters(store.deadLetters, options({ concurrency: 1, signal: ending.signal, onProgress }))
  const { items } = await store.deadLetters.list()
  expect(items.filter(({ dueAt }) => dueAt > Date.now())).toHaveLength(2)
})

it('a store that fails at the end of a run does not undo it: what was refused waits for its backoff', async () => {
  store = memoryStore()
  await add(2, 1)
  const claim = store.deadLetters.claim.bind(store.deadLetters)
  vi.spyOn(store.deadLetters, 'claim').mockImplementation((given) =>
    given.ids === undefined ? claim(given) : Promise.reject(new Error('the store is away')),
  )
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  expect(await replayDeadLetters(store.deadLetters, options())).toMatchObject({ refused: 2, done: 1 })
  expect(warned.mock.calls.map(([text]) => String(text))).toEqual([
    expect.stringContaining('the store is away'),
  ])
  warned.mockRestore()
})

it('what a run is limited to counts what it has refused, and the next one goes on with the others', async () => {
  store = memoryStore()
  await add(4, 4)
  expect(await replayDeadLetters(store.deadLetters, options({ limit: 4 }))).toMatchObject({
    claimed: 4,
    refused: 4,
  })
  expect(await replayDeadLetters(store.deadLetters, options({ limit: 4 }))).toMatchObject({
    claimed: 4,
    done: 4,
  })
})

it('two runs at once, neither of which has the credential, both come to their end', async () => {
  store = sqliteStore(join(folder, 'two.db'))
  await add(40, 0)
  const runs = [1, 2].map(() => replayDeadLetters(store.deadLetters, options()))
  const [one, other] = await Promise.all(runs)
  expect(one!.refused + other!.refused).toBeGreaterThanOrEqual(40)
  expect((await store.deadLetters.stats()).byStatus).toMatchObject({ pending: 40, leased: 0 })
})
