import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { Agent } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { OutboxAddOptions, OutboxOptions } from '../../../src/dead-letter/outbox/options.ts'
import { createOutbox } from '../../../src/dead-letter/outbox/outbox.ts'
import { replayDeadLetters, startReplayer } from '../../../src/replay.ts'
import { resilience } from '../../../src/resilience.ts'
import type { ResilienceStore } from '../../../src/store.ts'
import { memoryStore } from '../../../src/stores/memory/memory-store.ts'
import { postgresStore, type PostgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { ok, type Provider, silence, startProvider, status } from '../../support/calls/provider.ts'
import { startRunClock } from '../../support/calls/turns.ts'
import { newSchema, postgresFixture, type PostgresFixture } from '../../support/servers/postgres-schemas.ts'
import { startRedis } from '../../support/servers/redis-server.ts'

let provider: Provider
let agent: Agent
let store: ResilienceStore
beforeEach(async () => {
  provider = await startProvider(ok)
  agent = new Agent()
  store = memoryStore()
})
afterEach(async () => {
  await agent.destroy()
  await provider.close()
  await store.close()
})

/** For what takes a moment: a busy machine takes longer. */
const SOON = { timeout: 20_000, interval: 5 }

const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"order":7}' }
async function* drops(): AsyncGenerator<Buffer> {
  for (const drop of ['a', 'b', 'c']) {
    await sleep(5)
    yield Buffer.from(drop)
  }
}

/** What the provider has received. */
const bodies = (): string[] => provider.received.map(({ body }) => body.toString())
const urls = (): string[] => provider.received.map(({ url }) => url)
const deliver = (): ReturnType<typeof replayDeadLetters> =>
  replayDeadLetters(store.deadLetters, { allowedOrigins: [provider.url], dispatcher: agent })

describe('a call that is added to the outbox', () => {
  it('is durable and unsent, and says why it is there', async () => {
    const outbox = createOutbox({ store, integration: 'webhooks', labels: { team: 'shop' } })
    const id = await outbox.add(`${provider.url}/hook?page=2`, post, {
      idempotencyKey: 'order-7',
      orderingKey: 'customer-1',
      labels: { order: '7' },
    })
    expect(await store.deadLetters.get(id)).toMatchObject({
      id,
      integration: 'webhooks',
      reason: 'outbox',
      delivery: 'not-sent',
      attempts: 0,
      retryCount: 0,
      history: [],
      status: 'pending',
      replayable: true,
      idempotencyKey: 'order-7',
      orderingKey: 'customer-1',
      labels: { team: 'shop', order: '7' },
      request: { method: 'POST', url: `${provider.url}/hook?page=2`, body: Buffer.from('{"order":7}') },
    })
    expect(await store.deadLetters.list({ reason: 'outbox' })).toMatchObject({ items: [{ id }] })
    expect(provider.received).toHaveLength(0)
  })

  it.each([
    ['memoryStore()', () => memoryStore()],
    ['a stack that has none', () => resilience()],
  ])('may be lost, which is said, where its store is %s', async (_what, make) => {
    const warned = once(process, 'warning')
    createOutbox({ store: make() })
    expect(String((await warned)[0])).toContain('the outbox keeps its calls in the memory of this process')
  })

  it('arrives as it was given, with its key, by a replay', async () => {
    const outbox = createOutbox({ store })
    await outbox.add(new URL(`${provider.url}/hook`), post, { idempotencyKey: 'order-7' })
    expect(await deliver()).toMatchObject({ claimed: 1, done: 1 })
    expect(provider.received).toMatchObject([
      {
        method: 'POST',
        url: '/hook',
        body: Buffer.from('{"order":7}'),
        headers: { 'content-type': 'application/json', 'idempotency-key': 'order-7' },
      },
    ])
    expect((await store.deadLetters.stats()).total).toBe(0)
  })

  it('arrives within a second where a replayer runs, which was started before or after', async () => {
    const options = { allowedOrigins: [provider.url], dispatcher: agent }
    const before = startReplayer(store.deadLetters, options)
    const outbox = createOutbox({ store })
    const late = async (): Promise<number> => {
      const had = provider.received.length
      const ran = startRunClock()
      await outbox.add(`${provider.url}/hook`, post)
      await vi.waitFor(() => expect(provider.received).toHaveLength(had + 1), 10_000)
      return ran()
    }
    expect(await late()).toBeLessThan(1_000)
    await before.close()
    const after = startReplayer(store.deadLetters, options)
    expect(await late()).toBeLessThan(1_000)
    await after.close()
  })

  it('leaves at once, not with the next look', async () => {
    const replayer = startReplayer(store.deadLetters, {
      allowedOrigins: [provider.url],
      dispatcher: agent,
      intervalMs: 3_600_000,
    })
    const outbox = createOutbox({ store })
    for (const n of [1, 2, 3]) {
      await outbox.add(`${provider.url}/hook`, post)
      await expect.poll(() => provider.received.length, SOON).toBe(n)
    }
    await replayer.close()
    await outbox.add(`${provider.url}/hook`, post)
    expect(await deliver()).toMatchObject({ done: 1 })
  })

  it.each([
    ['text', () => 'text', 'text/plain;charset=UTF-8', 'text'],
    [
      'a form',
      () => new URLSearchParams({ a: '1' }),
      'application/x-www-form-urlencoded;charset=UTF-8',
      'a=1',
    ],
    ['bytes', () => Buffer.from('bytes'), undefined, 'bytes'],
    ['a blob', () => new Blob(['blob'], { type: 'text/csv' }), 'text/csv', 'blob'],
    ['a stream', () => Readable.toWeb(Readable.from([Buffer.from('a'), Buffer.from('b')])), undefined, 'ab'],
    ['nothing', () => undefined, undefined, ''],
  ])('may have %s for a body', async (_what, body, contentType, received) => {
    await createOutbox({ store }).add(`${provider.url}/hook`, { method: 'PUT', body: body() as string })
    await deliver()
    expect(bodies()).toEqual([received])
    expect(provider.received[0]!.headers['content-type']).toBe(contentType)
  })

  it('may be a multipart form', async () => {
    const body = new FormData()
    body.append('file', new Blob(['1,2']), 'a.csv')
    await createOutbox({ store }).add(`${provider.url}/hook`, { method: 'POST', body })
    await deliver()
    expect(provider.received[0]!.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
    expect(bodies()[0]).toContain('filename="a.csv"')
  })

  it('has its place in the order by when it was added, whatever its body takes to be read', async () => {
    const outbox = createOutbox({ store })
    const slow = Readable.toWeb(Readable.from(drops())) as unknown as string
    const [first, second] = await Promise.all([
      outbox.add(`${provider.url}/1`, { method: 'POST', body: slow }, { orderingKey: 'a' }),
      outbox.add(`${provider.url}/2`, { method: 'POST', body: 'b' }, { orderingKey: 'a' }),
    ])
    expect(first < second).toBe(true)
    await deliver()
    expect(urls()).toEqual(['/1', '/2'])
  })

  it('is not sent before its time', async () => {
    const outbox = createOutbox({ store })
    const notBefore = Date.now() + 2_000
    await outbox.add(`${provider.url}/a`, post, { notBefore: new Date(notBefore) })
    expect(await deliver()).toMatchObject({ claimed: 0 })
    await sleep(notBefore - Date.now() + 20)
    expect(await deliver()).toMatchObject({ done: 1 })
  })

  it('is in doubt when nobody knows whether it arrived, unless it has a key', async () => {
    const outbox = createOutbox({ store })
    const unsure = await outbox.add(`${provider.url}/a`, post)
    provider.replies = [silence]
    const give = (): ReturnType<typeof replayDeadLetters> =>
      replayDeadLetters(store.deadLetters, {
        allowedOrigins: [provider.url],
        dispatcher: agent,
        timeoutMs: 1_000,
      })
    await give()
    expect(await store.deadLetters.get(unsure)).toMatchObject({ status: 'in-doubt' })
    const empty = { ...post, headers: { 'idempotency-key': '' } }
    const unkeyed = await outbox.add(`${provider.url}/a`, empty)
    await give()
    expect(await store.deadLetters.get(unkeyed)).toMatchObject({ status: 'in-doubt' })
    const keyed = await outbox.add(`${provider.url}/b`, post, { idempotencyKey: 'k' })
    await give()
    expect(await store.deadLetters.get(keyed)).toMatchObject({ status: 'pending' })
  })

  it('obeys the circuit of the dispatcher, and uses nothing up', async () => {
    const stack = resilience({ store })
    const outbox = createOutbox({ store })
    const id = await outbox.add(`${provider.url}/a`, post)
    await store.circuits.isolate(provider.url)
    const summary = await replayDeadLetters(store.deadLetters, {
      allowedOrigins: [provider.url],
      dispatcher: agent.compose(stack),
    })
    expect(summary).toMatchObject({ sent: 0, later: 1 })
    expect(await store.deadLetters.get(id)).toMatchObject({ status: 'pending', replayCount: 0 })
    await stack.close()
  })

  it('goes in the order of its key, past what fails with another', async () => {
    const outbox = createOutbox({ store })
    for (const n of [1, 2, 3]) await outbox.add(`${provider.url}/${n}`, post, { orderingKey: 'a' })
    await outbox.add(`${provider.url}/other`, post, { orderingKey: 'b' })
    provider.replies = [status(500)]
    await deliver()
    expect(urls().sort()).toEqual(['/1', '/other'])
  })
})

describe('what could not be sent as it was given', () => {
  const add = (
    url: string,
    init: object,
    options: Partial<OutboxOptions> = {},
    addOptions: OutboxAddOptions = {},
  ): Promise<string> => createOutbox({ store, ...options }).add(url, init, addOptions)

  it.each([
    [
      'a body that is too large',
      'https://a.example',
      { method: 'POST', body: 'x'.repeat(11) },
      RangeError,
      /at most 10 bytes/,
    ],
    [
      'a secret in the body',
      'https://a.example',
      { ...post, body: '{"password":"1"}' },
      TypeError,
      /`init.body` holds what looks like a secret/,
    ],
    [
      'a url without a host',
      '/hook',
      post,
      TypeError,
      /`url` must be an absolute http or https url: it is malformed/,
    ],
    ['another protocol', 'ftp://a.example', post, TypeError, /has the protocol "ftp:"/],
    ['a user in the url', 'https://u:p@a.example', post, TypeError, /holds a user name or password$/],
    ['a method with a space', 'https://a.example', { method: 'P T' }, TypeError, /`init.method` must be/],
    [
      'a header with a line break',
      'https://a.example',
      { headers: { a: 'b\nc' } },
      TypeError,
      /`init.headers` must be headers/,
    ],
    [
      'a signal',
      'https://a.example',
      { signal: AbortSignal.timeout(9) },
      TypeError,
      /`init.signal` has no meaning here: the call is written now and sent later/,
    ],
    [
      'a plain object',
      'https://a.example',
      { method: 'POST', body: { x: 1 } as never },
      TypeError,
      /for JSON give `body: J/,
    ],
    [
      'data',
      'https://a.example',
      { data: {} } as RequestInit,
      TypeError,
      /`init.data` has no meaning here: give `body/,
    ],
    [
      'a url that no record can hold',
      `https://a.example/${'x'.repeat(70_000)}`,
      post,
      RangeError,
      /request.url would be cut/,
    ],
  ] as const)('is refused at once, with a clear error: %s', async (_what, url, init, kind, message) => {
    const options = {
      maxBodyBytes: 'body' in init && typeof init.body === 'string' && init.body.startsWith('x') ? 10 : 1_000,
    }
    await expect(add(url, init, options)).rejects.toBeInstanceOf(kind)
    await expect(add(url, init, options)).rejects.toThrow(message)
    expect((await store.deadLetters.stats()).total).toBe(0)
  })

  it('is refused for a header that is not kept, but not for a credential, which the replayer has', async () => {
    const headers = { authorization: 'Bearer x', 'x-tenant': 'a', accept: '*/*' }
    await expect(add(`${provider.url}/a`, { headers })).rejects.toThrow(
      '`init.headers` would not be stored whole: keep x-tenant with `redact.keepHeaders`, or encrypt them with `seal`',
    )
    const id = await add(`${provider.url}/a`, { headers }, { redact: { keepHeaders: ['x-tenant'] } })
    expect(await store.deadLetters.get(id)).toMatchObject({
      request: { headers: { 'x-tenant': 'a', accept: '*/*' }, omittedHeaders: ['authorization'] },
    })
  })

  it('may be sealed instead, when it is a secret', async () => {
    const seal = { current: 'k1', keys: { k1: Buffer.alloc(32, 1) } }
    const id = await add(`${provider.url}/a`, { ...post, body: '{"password":"1"}' }, { seal })
    expect(JSON.stringify(await store.deadLetters.get(id))).not.toContain('"1"')
    const options = { allowedOrigins: [provider.url], dispatcher: agent, seal }
    await replayDeadLetters(store.deadLetters, options)
    expect(bodies()).toEqual(['{"password":"1"}'])
  })

  it.each([
    [{ notBefore: -1 }, '`notBefore` must be an integer >= 0, got -1'],
    [{ notBefore: Date.now() + 11 * 365 * 86_400_000 }, '`notBefore` must be at most ten years ahead'],
    [{ notBefore: new Date(Number.NaN) }, '`notBefore` must be an integer >= 0, got NaN'],
    [{ idempotencyKey: 'a b' }, '`idempotencyKey` must be visible ASCII'],
    [{ orderingKey: '' }, '`orderingKey` must be a non-empty string'],
    [{ within: 'BEGIN' }, '`within` must be the client that BEGIN was sent on, got "BEGIN"'],
    [{ within: {} }, '`within` needs a store that can write in a transaction of yours'],
    [{ priority: 'live' }, 'priority'],
  ] as const)('is refused with bad options: %o', async (options, message) => {
    await expect(add('https://a.example', post, {}, options as OutboxAddOptions)).rejects.toThrow(message)
  })

  it('is told when the store has no room', async () => {
    store = memoryStore({ deadLetters: { maxBytes: 2_000 } })
    await expect(add('https://a.example', { ...post, body: 'y'.repeat(4_000) })).rejects.toThrow(/no room/)
  })

  it('is written where the stack keeps its dead letters too, but for `within`', async () => {
    const stack = resilience({ store })
    const outbox = createOutbox({ store: stack })
    const id = await outbox.add('https://a.example', post)
    expect(await store.deadLetters.get(id)).toMatchObject({ reason: 'outbox' })
    await expect(outbox.add('https://a.example', post, { within: {} })).rejects.toThrow(
      '`within` needs a store that can write in a transaction of yours: createOutbox({ store: postgresStore(pool) }), not a stack',
    )
    await stack.close()
  })

  it('needs a store', () => {
    expect(() => createOutbox({} as OutboxOptions)).toThrow(/`store` must have `deadLetters`/)
    expect(() => createOutbox({ store, name: 'x' } as never)).toThrow(/name/)
  })
})

describe('a store that is full of calls', () => {
  let fixture: PostgresFixture
  let redis: Awaited<ReturnType<typeof startRedis>>
  let folder: string
  let client: Redis
  beforeAll(async () => {
    fixture = await postgresFixture()
    redis = await startRedis()
    client = new Redis(redis.url)
    folder = await mkdtemp(join(tmpdir(), 'outbox-'))
  })
  afterAll(async () => {
    client.disconnect()
    await redis.stop()
    await fixture.stop()
    await rm(folder, { recursive: true })
  })

  const bounds = { maxRecords: 2, maxAgeMs: 1 }
  it.each<[string, () => ResilienceStore]>([
    ['memory', () => memoryStore({ deadLetters: bounds })],
    ['SQLite', () => sqliteStore(join(folder, 'outbox.db'), { ...bounds })],
    ['Redis', () => redisStore(client, { deadLetters: bounds })],
    ['PostgreSQL', () => postgresStore(fixture.pool, { schema: newSchema(), deadLetters: bounds })],
  ])(
    'loses none of them for a new one, which is told, and takes it when one has arrived: %s',
    async (_name, make) => {
      store = make()
      const outbox = createOutbox({ store })
      const add = (order: number): Promise<string> =>
        outbox.add(`${provider.url}/${order}`, post, { orderingKey: 'one after the other' })
      const first = await add(1)
      await add(2)
      await sleep(5)
      await expect(add(3)).rejects.toMatchObject({
        code: 'ERR_OUTBOX_FULL',
        message: expect.stringContaining('nothing was written, and nothing is sent') as string,
      })
      expect(await store.deadLetters.get(first)).toMatchObject({ reason: 'outbox', status: 'pending' })
      expect((await store.deadLetters.stats()).total).toBe(2)
      provider.replies = [ok, status(503)]
      await deliver()
      await add(4)
      await expect(add(5)).rejects.toThrow('no room')
      expect(urls()).toEqual(['/1', '/2'])
    },
  )
})

describe('within a transaction of PostgreSQL', () => {
  let fixture: PostgresFixture
  let postgres: PostgresStore
  beforeAll(async () => {
    fixture = await postgresFixture()
  })
  afterAll(() => fixture.stop())
  beforeEach(() => {
    postgres = postgresStore(fixture.pool, { schema: newSchema() })
  })
  afterEach(() => postgres.close())

  it('a call is written with the commit, and never when it is rolled back', async () => {
    const outbox = createOutbox({ store: postgres })
    const client = await fixture.pool.connect()
    try {
      const ids: string[] = []
      for (const end of ['COMMIT', 'ROLLBACK']) {
        await client.query('BEGIN')
        ids.push(await outbox.add(`${provider.url}/${end}`, post, { within: client }))
        expect(await postgres.deadLetters.get(ids.at(-1)!)).toBeUndefined()
        await client.query(end)
      }
      expect(await postgres.deadLetters.get(ids[0]!)).toMatchObject({ reason: 'outbox' })
      expect(await postgres.deadLetters.get(ids[1]!)).toBeUndefined()
    } finally {
      client.release()
    }
    const options = { allowedOrigins: [provider.url], dispatcher: agent }
    expect(await replayDeadLetters(postgres.deadLetters, options)).toMatchObject({ done: 1 })
    expect(urls()).toEqual(['/COMMIT'])
  })

  it('a call leaves with the commit, by the replayer of another process, and is told of unless `notify` is false', async () => {
    const schema = newSchema()
    const messages: string[] = []
    const listener = new pg.Client(fixture.server.url)
    await listener.connect()
    listener.on('notification', ({ payload = '' }) => {
      if (!payload.startsWith('echo ')) messages.push(payload)
    })
    const other = postgresStore(fixture.pool, { schema })
    const replayer = startReplayer(other.deadLetters, {
      allowedOrigins: [provider.url],
      dispatcher: agent,
      filter: { reason: 'outbox' },
      intervalMs: 3_600_000,
    })
    const add = async (notify: boolean): Promise<void> => {
      const adder = postgresStore(fixture.pool, { schema, listen: false, deadLetters: { notify } })
      const client = await fixture.pool.connect()
      await client.query('BEGIN')
      await createOutbox({ store: adder }).add(`${provider.url}/hook`, post, { within: client })
      expect(messages).toEqual([])
      await client.query('COMMIT')
      client.release()
      await adder.close()
    }
    await listener.query(`LISTEN "undici_resilience:${schema}"`)
    // it listens, and has looked: what arrives now was heard of
    await other.circuits.directory!.watch({ changed: () => undefined, lost: () => undefined })
    await replayer.run()
    await add(true)
    await expect.poll(() => provider.received.length, SOON).toBe(1)
    await expect.poll(() => messages.splice(0), SOON).toEqual(['1 *outbox'])
    await add(false)
    await fixture.pool.query('SELECT pg_notify($1, $2)', [`undici_resilience:${schema}`, 'last'])
    await expect.poll(() => messages, SOON).toEqual(['last'])
    await replayer.close()
    await Promise.all([other.close(), listener.end()])
  })
})

it('a call leaves at once by the replayer of another process that shares Redis', async () => {
  const server = await startRedis()
  const redis = new Redis(server.url, { lazyConnect: true })
  const [other, adder] = [redisStore(redis), redisStore(redis)]
  const replayer = startReplayer(other.deadLetters, {
    allowedOrigins: [provider.url],
    dispatcher: agent,
    filter: { reason: 'outbox' },
    intervalMs: 3_600_000,
  })
  // it listens, and has looked: what arrives now was heard of
  await other.circuits.directory!.watch({ changed: () => undefined, lost: () => undefined })
  await expect.poll(() => redis.pubsub('CHANNELS'), SOON).toHaveLength(1)
  await replayer.run()
  await createOutbox({ store: adder }).add(`${provider.url}/hook`, post)
  await expect.poll(() => provider.received.length, SOON).toBe(1)
  await replayer.close()
  await Promise.all([other.close(), adder.close()])
  await server.stop()
})
