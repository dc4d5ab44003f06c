import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Agent } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import type { ReplayProgress } from '../../../src/dead-letter/replay/options.ts'
import { replayDeadLetters } from '../../../src/replay.ts'
import { resilience } from '../../../src/resilience.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { channels, type DeadLetterDurableEvent } from '../../../src/telemetry/channels.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { everyOperation } from '../../support/calls/every-operation.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { startSlowProxy } from '../../support/calls/slow-proxy.ts'
import { via } from '../../support/calls/via.ts'
import { makeDocumentedUser } from '../../support/servers/documented-acl.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

let server: RunningRedis
let client: Redis
let provider: Provider
let agent: Agent
const cleanups: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  provider = await startProvider(status(503))
  agent = new Agent()
})
afterEach(async () => {
  vi.restoreAllMocks()
  for (const clean of cleanups.splice(0).reverse()) await clean()
  await agent.destroy()
  await provider.close()
})

async function redis(args: string[] = [], timeoutMs = 2000): Promise<ReturnType<typeof redisStore>> {
  server = await startRedis({ args })
  client = new Redis(server.url, { retryStrategy: () => 50 })
  client.on('error', () => undefined)
  const store = redisStore(client, { deadLetters: { timeoutMs } })
  cleanups.push(
    () => server.stop(),
    () => Promise.resolve(client.disconnect()),
    () => store.close(),
  )
  return store
}

async function spoolFile(): Promise<ReturnType<typeof sqliteStore>> {
  const folder = await mkdtemp(join(tmpdir(), 'spool-'))
  const spool = sqliteStore(join(folder, 'spool.db'))
  cleanups.push(
    () => rm(folder, { recursive: true }),
    () => spool.close(),
  )
  return spool
}

describe('captures into Redis', () => {
  it('survive an outage through the spool, and come back whole and once', async () => {
    const store = await redis()
    const spool = await spoolFile()
    const durable: DeadLetterDurableEvent[] = []
    const listener = (event: DeadLetterDurableEvent): number => durable.push(event)
    channels.deadLetterDurable.subscribe(listener)
    const letters = deadLetter({
      integration: 'crm',
      store,
      spool: spool.deadLetters,
      storeTimeoutMs: 1500,
      // what is sent before the outage must not be in the spool as well because the machine was busy
      spoolAfterMs: 1000,
    })
    const dispatcher = agent.compose(letters)
    const send = async (body: string): Promise<void> => {
      const began = performance.now()
      expect((await fetch(provider.url, via(dispatcher, { method: 'POST', body }))).status).toBe(503)
      expect(performance.now() - began).toBeLessThan(10_000)
    }
    await send('before')
    await expect.poll(() => durable.map((event) => event.where)).toEqual(['store'])
    await server.kill({ keepDir: true })
    await send('during')
    await expect
      .poll(() => durable.map((event) => event.where), { timeout: 5000 })
      .toEqual(['store', 'spool'])
    await server.restart()
    await expect
      .poll(
        async () => {
          await send('after')
          return (await spool.deadLetters.stats()).total
        },
        { timeout: 10_000, interval: 200 },
      )
      .toBe(0)
    channels.deadLetterDurable.unsubscribe(listener)
    const bodies: string[] = []
    for (const { id } of (await store.deadLetters.list()).items) {
      bodies.push(Buffer.from((await store.deadLetters.get(id))!.request.body!).toString())
    }
    // nothing was persisted by this server: what it held before the crash is gone, what the spool held is there
    expect(bodies.filter((body) => body === 'during')).toHaveLength(1)
    await letters.close()
  })

  it('go to the spool while Redis stands still, and the caller does not wait', async () => {
    const store = await redis()
    const spool = await spoolFile()
    const letters = deadLetter({ store, spool: spool.deadLetters, storeTimeoutMs: 1500 })
    await fetch(provider.url, via(agent.compose(letters)))
    expect(await letters.flush()).toBe(true)
    server.freeze()
    const began = performance.now()
    await fetch(provider.url, via(agent.compose(letters)))
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(await letters.flush()).toBe(true)
    expect((await spool.deadLetters.stats()).total).toBe(1)
    server.thaw()
    await expect.poll(async () => (await store.deadLetters.stats()).total, { timeout: 5000 }).toBe(2)
    await letters.close()
  })

  it('need no more rights than the documentation names', async () => {
    await redis()
    await makeDocumentedUser(server, 'dead-letters.md')
    const limited = new Redis(server.url, { username: 'app', password: 'secret', lazyConnect: true })
    const store = redisStore(limited, { deadLetters: { maxRecords: 10, maxAgeMs: 60_000 } })
    cleanups.push(() => store.close())
    await everyOperation(store.deadLetters)
    const counters = (await store.deadLetters.stats()).counters
    expect(counters.evicted).toBeGreaterThan(0)
    expect(counters.discarded).toBeGreaterThan(0)
    await client.acl('SETUSER', 'app', '-zcard')
    await expect(everyOperation(store.deadLetters)).rejects.toThrow(
      /can't run this command|no permissions to run/,
    )
  })

  it('take a few round trips over a slow link, however many they are', async () => {
    await redis()
    const far = await startSlowProxy(server.port, 300)
    cleanups.push(() => far.close())
    const link = new Redis(far.port, '127.0.0.1', { lazyConnect: true })
    const store = redisStore(link, { deadLetters: { timeoutMs: 10_000 } })
    cleanups.push(() => store.close())
    await store.deadLetters.stats()
    const records = Array.from({ length: 4_000 }, () => makeRecord())
    const began = performance.now()
    expect((await store.deadLetters.add(records)).kept).toHaveLength(4_000)
    // one after the other, or a few at a time, the scripts would take 60 or 20 of them
    expect((performance.now() - began) / 300).toBeLessThan(15)
  })

  it('reject when the store is closed under them, and nothing is left unhandled', async () => {
    for (let round = 0; round < 3; round++) {
      const store = await redis()
      await store.deadLetters.stats()
      const adding = store.deadLetters.add(Array.from({ length: 6_000 }, () => makeRecord()))
      setTimeout(() => void store.close(), 5 + round * 10)
      await adding.then(
        ({ kept }) => expect(kept).toHaveLength(6_000),
        (error: unknown) => expect(error).toBeInstanceOf(Error),
      )
    }
  })

  it('go to the spool whole when Redis is full, and replays go on there', async () => {
    const store = await redis(['--maxmemory-policy', 'noeviction'])
    const kept = makeRecord()
    await store.deadLetters.add([kept])
    await client.config('SET', 'maxmemory', '500kb')
    const refused = makeRecord()
    await expect(store.deadLetters.add([refused])).rejects.toThrow('OOM')
    expect(await store.deadLetters.get(refused.id)).toBeUndefined()
    expect((await store.deadLetters.stats()).total).toBe(1)
    const { items } = await store.deadLetters.claim({ limit: 1, leaseMs: 1000 })
    expect(await store.deadLetters.renew(kept.id, items[0]!.fence, 1000)).toBe(true)
    const done = { outcome: 'done', replay: { at: 1, outcome: 'done' } } as const
    expect(await store.deadLetters.settle(kept.id, items[0]!.fence, done)).toBe('done')
  })

  it('warn at the start when Redis may delete them', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    const store = await redis(['--maxmemory-policy', 'allkeys-lru'])
    await store.deadLetters.stats()
    expect((await warned).message).toContain('allkeys-lru, not noeviction')
  })

  it('warn once the server tells its policy, also when it did not at the first connection', async () => {
    const messages: string[] = []
    const listen = (warning: Error) => void messages.push(warning.message)
    process.on('warning', listen)
    const store = await redis(['--maxmemory-policy', 'allkeys-lru'])
    const refused = new Redis(server.url)
    await refused.call('ACL', 'SETUSER', 'default', '-info')
    await store.deadLetters.stats()
    expect(messages.filter((message) => message.includes('allkeys-lru'))).toEqual([])
    await refused.call('ACL', 'SETUSER', 'default', '+info')
    await refused.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    while (!messages.some((message) => message.includes('allkeys-lru'))) {
      await store.deadLetters
        .stats()
        .catch((error: Error) => expect(error.message).toMatch(/Redis|closed|writeable/))
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    process.off('warning', listen)
    expect(messages.filter((message) => message.includes('allkeys-lru'))).toHaveLength(1)
    refused.disconnect()
  })

  it('work with a key prefix of the client, before it is connected, and after SCRIPT FLUSH', async () => {
    await redis()
    const prefixed = new Redis(server.url, { keyPrefix: 'app:', lazyConnect: true })
    const store = redisStore(prefixed, { prefix: 'mine' })
    const record = makeRecord()
    await store.deadLetters.add([record])
    await client.script('FLUSH')
    expect((await store.deadLetters.get(record.id))!.id).toBe(record.id)
    expect((await client.keys('*')).every((key) => key.startsWith('app:mine:1:{dead-letters}:'))).toBe(true)
    expect(await client.keys('*')).toHaveLength(6)
    for (const key of await client.keys('*')) expect(await client.ttl(key)).toBe(-1)
    await store.close()
    prefixed.disconnect()
  })

  it('reject in time when there is no Redis', async () => {
    const nowhere = new Redis(1, { lazyConnect: true, retryStrategy: null })
    const store = redisStore(nowhere, { deadLetters: { timeoutMs: 100 } })
    const began = performance.now()
    await expect(store.deadLetters.add([makeRecord()])).rejects.toThrow('Redis cannot be reached')
    expect(performance.now() - began).toBeLessThan(10_000)
    await store.close()
  })

  it('reject at once when the connection is lost while they are under way', async () => {
    const store = await redis([], 20_000)
    await store.deadLetters.stats()
    server.freeze()
    const adding = store.deadLetters.add([makeRecord()])
    const listing = store.deadLetters.list()
    const began = performance.now()
    // not before they are sent
    setTimeout(() => void server.kill({ keepDir: true }), 100)
    await expect(adding).rejects.toThrow('the connection to Redis was lost')
    await expect(listing).rejects.toThrow('the connection to Redis was lost')
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it('are due by the clock of the server, whatever this process takes for the time', async () => {
    const store = await redis()
    await store.deadLetters.add([makeRecord(), makeRecord({ notBefore: Date.now() + 1_800_000 })])
    const now = Date.now
    for (const skewMs of [-3_600_000, 3_600_000]) {
      vi.spyOn(Date, 'now').mockImplementation(() => now() + skewMs)
      expect((await store.deadLetters.stats()).due).toBe(1)
      const options = { limit: 10, leaseMs: 60_000, filter: { integration: 'hubspot' } }
      const { items } = await store.deadLetters.claim(options)
      vi.restoreAllMocks()
      expect(items).toHaveLength(1)
      const [{ id, fence } = { id: '', fence: 0 }] = items
      await store.deadLetters.settle(id, fence, { outcome: 'later', delayMs: 0 })
    }
  })

  it('go round: captured, refused by the open circuit, replayed', async () => {
    const store = await redis()
    const stack = resilience({
      integration: 'crm',
      store,
      retry: { initialBackoffMs: 1, maxAttempts: 2 },
      circuitBreaker: { failureThreshold: 2, timeoutMs: 60_000, maxWaitMs: 0 },
      deadLetter: { spool: (await spoolFile()).deadLetters },
    })
    const dispatcher = agent.compose(stack)
    for (let i = 0; i < 4; i++) {
      await fetch(provider.url, via(dispatcher, { method: 'PUT', body: `order ${i}` })).catch(() => undefined)
    }
    await expect.poll(async () => (await store.deadLetters.stats()).total).toBe(4)
    const reasons = (await store.deadLetters.list()).items.map((item) => item.reason)
    expect(reasons).toContain('circuit-open')
    provider.replies = [ok]
    await stack.circuits.reset(provider.url)
    const before = provider.received.length
    const summary = await replayDeadLetters(store.deadLetters, { allowedOrigins: [provider.url], dispatcher })
    expect(summary).toMatchObject({ done: 4 })
    expect(
      provider.received
        .slice(before)
        .map((one) => one.body.toString())
        .sort(),
    ).toEqual(['order 0', 'order 1', 'order 2', 'order 3'])
    await stack.close()
  })
})

describe('hostile entries in Redis', () => {
  it('give a clear error each, leak nothing, and the rest goes on', async () => {
    // reading 80 MB takes a busy machine longer than the default
    const store = await redis([], 10_000)
    const letters = store.deadLetters
    const base = 'undici-resilience:1:{dead-letters}:'
    const state = (changes: object): string =>
      JSON.stringify({
        timestamp: Date.now(),
        bytes: 10,
        integration: 'x',
        origin: provider.url,
        reason: 'exhausted',
        code: '503',
        replayable: true,
        repeatable: true,
        status: 'pending',
        dueAt: 1,
        ...changes,
      })
    const forge = async (
      id: string,
      payload: string[] | undefined,
      raw?: (entry: string) => string,
    ): Promise<void> => {
      const entry = payload ? String(await client.xadd(`${base}payloads`, '*', ...payload)) : '1-1'
      await client.hset(`${base}states`, id, raw ? raw(entry) : state({ payload: entry }))
      await client.zadd(`${base}all`, Date.now(), id)
      await client.zadd(`${base}due`, 1, id)
    }
    provider.replies = [ok]
    const good = makeRecord({ request: { url: `${provider.url}/good` } })
    const evil = makeRecord({ id: 'evil', request: { url: 'https://evil.example/' } })
    await letters.add([good])
    const { body: _body, ...evilRequest } = evil.request
    await forge('evil', [
      'record',
      JSON.stringify({ ...evil, request: evilRequest }),
      'body',
      '{"name":"Ada"}',
    ])
    await forge('not-json', ['record', '{'])
    await forge('deep', ['record', '['.repeat(50_000)])
    await forge('proto', ['record', '{"__proto__":{"polluted":1},"version":1,"id":"proto"}'])
    await forge('other-id', ['record', JSON.stringify({ ...evil, request: evilRequest })])
    await forge('no-payload', undefined)
    await forge('huge', ['record', '{}', 'body', 'x'.repeat(80 * 1024 * 1024)])
    await forge('bad-state', ['record', '{}'], () => 'nonsense')
    await forge('deep-state', ['record', '{}'], () => '['.repeat(50_000))
    await forge('wrong-state', ['record', '{}'], (entry) =>
      JSON.stringify({ payload: entry, status: {}, bytes: 'x', dueAt: [] }),
    )
    const lease = { status: 'sending', fence: 1, leaseUntil: 'soon' }
    await forge('bad-lease', ['record', '{}'], (entry) => state({ payload: entry, ...lease }))
    await client.zadd(`${base}leases`, 1, 'bad-lease')
    await forge('bad-entry', ['record', '{}'], () => state({ payload: 'no stream id' }))
    await forge('esc\u001b[31m\u202e', ['record', '{}'])

    const asked: string[] = []
    const told: ReplayProgress[] = []
    const options = {
      allowedOrigins: [provider.url],
      dispatcher: agent,
      ratePerSecond: Infinity,
      onProgress: (one: ReplayProgress) => void told.push(one),
      credentials: (record: { id: string }) => {
        asked.push(record.id)
        return { authorization: 'Bearer secret' }
      },
    }
    const summary = await replayDeadLetters(letters, options)
    expect(summary.done).toBe(1)
    expect(asked).toEqual([good.id])
    expect(provider.received.map((one) => one.url)).toEqual(['/good'])
    // those that no filter can match are found when nothing is filtered
    const { corrupt } = await letters.claim({ limit: 100, leaseMs: 1000 })
    const messages = [...told.filter((one) => one.outcome === 'corrupt'), ...corrupt]
    expect(messages.map((one) => one.id).sort()).toEqual(
      [
        'bad-entry',
        'bad-lease',
        'bad-state',
        'deep',
        'deep-state',
        'esc\u001b[31m\u202e',
        'huge',
        'no-payload',
        'not-json',
        'other-id',
        'proto',
        'wrong-state',
      ].sort(),
    )
    for (const { message } of messages) expect(message).toMatch(/\w/)
    expect(told.find((one) => one.id === 'evil')).toMatchObject({ outcome: 'quarantined' })
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    await expect(letters.get('proto')).rejects.toThrow('dead letter proto')
    const page = await letters.list()
    expect(page.items.map((item) => item.id)).toEqual(['evil'])
    expect(page.corrupt).toHaveLength(12)
    expect(await letters.discard(page.corrupt!.map((one) => one.id))).toBe(12)
    expect((await letters.stats()).total).toBe(1)
  })
})
