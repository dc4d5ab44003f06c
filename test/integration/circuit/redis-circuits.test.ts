import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Redis, type RedisOptions } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { CircuitBreaker } from '../../../src/circuit/circuit-breaker.ts'
import { resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
import type { CircuitStoreChange } from '../../../src/circuit/store.ts'
import type { RedisClient } from '../../../src/stores/redis/connection.ts'
import { type RedisStore, redisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import { startSlowProxy } from '../../support/calls/slow-proxy.ts'
import { untilPushed } from '../../support/fleet/shared-circuits.ts'
import { certificateFiles } from '../../support/servers/certificate.ts'
import { makeDocumentedUser } from '../../support/servers/documented-acl.ts'
import { type RunningRedis, startRedis, startSecureRedis } from '../../support/servers/redis-server.ts'

let server: RunningRedis
let user: Redis
const stores: RedisStore[] = []
const clients: Redis[] = []
let warnings: string[] = []

beforeAll(async () => {
  server = await startRedis()
  user = new Redis(server.url)
})
afterAll(async () => {
  user.disconnect()
  await server.stop()
})
beforeEach(() => {
  warnings = []
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  for (const client of clients.splice(0)) client.disconnect()
  vi.restoreAllMocks()
  await user.flushall()
})

function open(client: RedisClient = user, options: RedisStoreOptions = {}): RedisStore {
  const store = redisStore(client, options)
  stores.push(store)
  return store
}

// ioredis 6 types its options by what they make of replies, which exactOptionalPropertyTypes does not follow
const Client = Redis as unknown as new (options: RedisOptions) => Redis

function client(options: RedisOptions = {}): Redis {
  const made = new Client({ port: server.port, host: '127.0.0.1', ...options, retryStrategy: () => null })
  made.on('error', () => undefined)
  clients.push(made)
  return made
}

const fails = (): never => {
  throw new Error('boom')
}
async function trip(breaker: CircuitBreaker, times = 3): Promise<void> {
  for (let index = 0; index < times; index++) await breaker.execute(fails).catch(() => undefined)
}
const breakerOf = (store: RedisStore, integration = 'api') =>
  new CircuitBreaker({ integration, store, failureThreshold: 3, failureRate: 0, timeoutMs: 60_000 })
const soon = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { interval: 2, timeout: 10_000 })

describe('clients as users have them', () => {
  test.each([
    ['with a key prefix', { keyPrefix: 'app:' }],
    ['on another database', { db: 3 }],
    ['that connects lazily and never has', { lazyConnect: true }],
    ['with no retries and no offline queue', { enableOfflineQueue: false, maxRetriesPerRequest: 0 }],
    ['with a numeric string mode', { stringNumbers: true }],
    ['with automatic pipelining', { enableAutoPipelining: true }],
    ['that speaks RESP2', { protocol: 2 as const }],
    [
      'that resends and retries as it likes',
      { autoResendUnfulfilledCommands: true, maxRetriesPerRequest: 20 },
    ],
  ])('a client %s', async (_name, options) => {
    const own = client(options)
    const [one, two] = [open(own), open(own)]
    await untilPushed(one.circuits, two.circuits)
    const [here, there] = [breakerOf(one), breakerOf(two)]
    await trip(here)
    await soon(() => expect([here.state, there.state]).toEqual(['open', 'open']))
    if ('lazyConnect' in options) expect(own.status).toBe('wait')
  })

  test('databases and prefixes do not hear each other', async () => {
    const all = [
      open(client({ db: 1 })),
      open(client({ db: 2 })),
      open(client({ db: 1 }), { prefix: 'other' }),
    ]
    const breakers = all.map((store) => breakerOf(store))
    for (const { circuits } of all) await untilPushed(circuits, circuits)
    await trip(breakers[0]!)
    await soon(() => expect(breakers[0]!.snapshot()).toMatchObject({ state: 'open', degraded: false }))
    await vi.waitFor(() => expect(breakers[1]!.snapshot().degraded).toBe(false), 10_000)
    expect(breakers.map(({ state }) => state)).toEqual(['open', 'closed', 'closed'])
  })

  test('an ACL user with only what the documentation names', async () => {
    await makeDocumentedUser(server, 'redis.md')
    const limited = client({ username: 'app', password: 'secret' })
    const [one, two] = [open(limited), open(limited)]
    const [here, there] = [one, two].map(
      (store) =>
        new CircuitBreaker({
          integration: 'api',
          store,
          failureThreshold: 3,
          quorum: 2,
          timeoutMs: 100,
          halfOpenMaxAttempts: 1,
        }),
    )
    await untilPushed(one.circuits, two.circuits)
    await trip(here!)
    await trip(there!)
    await soon(() => expect([here!.state, there!.state]).toEqual(['open', 'open']))
    await soon(async () => expect(await here!.execute(() => 1)).toBe(1))
    await soon(() => expect(there!.state).toBe('closed'))
    expect(one.circuits.list().every(({ degraded }) => !degraded)).toBe(true)
    expect(warnings).toEqual([])
  })

  test("never sends a command on the user's client, and leaves it open", async () => {
    const own = client()
    await own.ping()
    const spy = vi.spyOn(own, 'sendCommand')
    const store = open(own)
    await untilPushed(store.circuits, store.circuits)
    await trip(breakerOf(store))
    await store.close()
    expect(spy).not.toHaveBeenCalled()
    expect(await own.ping()).toBe('PONG')
  })

  test('TLS, as the client has it', async () => {
    const certificate = await certificateFiles()
    const secure = await startSecureRedis(certificate)
    const port = secure.tlsPort
    const own = new Client({ port, host: '127.0.0.1', lazyConnect: true, tls: { rejectUnauthorized: false } })
    const [one, two] = [redisStore(own), redisStore(own)]
    await untilPushed(one.circuits, two.circuits)
    const [here, there] = [breakerOf(one), breakerOf(two)]
    await trip(here)
    await soon(() => expect([here.state, there.state]).toEqual(['open', 'open']))
    await Promise.all([one.close(), two.close()])
    own.disconnect()
    await secure.stop()
    await certificate.remove()
  })

  test('an endpoint that moves: a connection that is left with a replica goes to the new master', async () => {
    const [old, next] = [await startRedis(), await startRedis()]
    const endpoint = await startSlowProxy(old.port)
    const own = new Client({ port: endpoint.port, host: '127.0.0.1', lazyConnect: true })
    const store = redisStore(own, { pollIntervalMs: 100 })
    const breaker = breakerOf(store)
    await untilPushed(store.circuits, store.circuits)
    await trip(breaker)
    await soon(() => expect(breaker.snapshot()).toMatchObject({ state: 'open', degraded: false }))
    endpoint.target = next.port
    await old.cli('replicaof', '127.0.0.1', String(next.port))
    await soon(async () => expect(await next.cli('hget', 'undici-resilience:1:{api}:s', 'st')).toBe('o'))
    expect(breaker.snapshot()).toMatchObject({ state: 'open', degraded: false })
    await store.close()
    own.disconnect()
    await endpoint.close()
    await Promise.all([old.stop(), next.stop()])
  })

  test('a server that is not there: calls go on at once, one event, and the store is taken up when it comes', async () => {
    const later = await startRedis()
    await later.kill({ keepDir: true })
    const own = new Redis(later.port, '127.0.0.1', { lazyConnect: true })
    const store = redisStore(own)
    const heard: CircuitStoreChange[] = []
    store.circuits.onChange((change) => void heard.push(change))
    const breaker = breakerOf(store)
    expect(await breaker.execute(() => 1)).toBe(1)
    await trip(breaker)
    expect(breaker.snapshot()).toMatchObject({ state: 'open', degraded: true })
    await soon(() => expect(heard.filter(({ type }) => type === 'store')).toHaveLength(1))
    await later.restart()
    await soon(() => expect(breaker.snapshot()).toMatchObject({ state: 'open', degraded: false }))
    expect(
      heard.filter(({ type }) => type === 'store').map(({ event }) => 'degraded' in event && event.degraded),
    ).toEqual([true, false])
    expect(await later.cli('hget', 'undici-resilience:1:{api}:s', 'st')).toBe('o')
    await store.close()
    own.disconnect()
    await later.stop()
  })
})

describe('scripts', () => {
  test('heal by themselves after SCRIPT FLUSH, also inside a batch', async () => {
    const store = open()
    const breakers = Array.from({ length: 20 }, (_one, at) => breakerOf(store, `api-${at}`))
    await untilPushed(store.circuits, store.circuits)
    const degraded = vi.fn<() => void>()
    store.circuits.onChange(({ type }) => type === 'store' && degraded())
    for (let round = 0; round < 3; round++) {
      await user.script('FLUSH')
      for (const breaker of breakers) await breaker.execute(() => round)
      await store.circuits.flush()
    }
    await user.script('FLUSH')
    await trip(breakers[7]!)
    await soon(() => expect(breakers[7]!.state).toBe('open'))
    expect(breakers[3]!.snapshot()).toMatchObject({ requests: 3, degraded: false })
    expect(degraded).not.toHaveBeenCalled()
  })
})

test('hundreds of circuits at once, on a server that knows no script yet, overload nothing', async () => {
  await user.script('FLUSH')
  // a machine that others keep busy takes longer than the default, without any overload of ours
  const store = open(user, { commandTimeoutMs: 1_000 })
  const heard: CircuitStoreChange[] = []
  store.circuits.onChange((change) => void heard.push(change))
  const breakers = Array.from({ length: 900 }, (_one, at) => breakerOf(store, `https://api-${at}.test`))
  await soon(() => expect(store.circuits.list().filter(({ degraded }) => degraded)).toEqual([]))
  await Promise.all(breakers.map((breaker) => breaker.execute(() => 1)))
  await store.circuits.flush()
  expect(store.circuits.list().every(({ requests, degraded }) => requests === 1 && !degraded)).toBe(true)
  expect(heard).toEqual([])
})

describe('what is in Redis', () => {
  test('every key is under the prefix, has a time to live, and one hash tag per circuit; nothing grows', async () => {
    const all = Array.from({ length: 3 }, () => open())
    const options = { failureThreshold: 1_000, quorum: 2, windowMs: 1_000, timeoutMs: 20 }
    const names = ['https://api.example.com:8443', 'has {braces} and spaces', 'ü'.repeat(300)]
    const breakers = all.flatMap((store) =>
      names.map((key) => new CircuitBreaker({ ...options, key, store })),
    )
    for (const { circuits } of all) await untilPushed(circuits, circuits)
    for (let round = 0; round < 15; round++) {
      for (const breaker of breakers) {
        await breaker.execute(round % 2 === 0 ? fails : () => 1).catch(() => undefined)
      }
      await Promise.all(all.map(({ circuits }) => circuits.flush()))
    }
    const keys = await user.keys('*')
    expect(keys.length).toBeGreaterThan(8)
    for (const key of keys) {
      expect(key).toMatch(/^undici-resilience:1:\{[^{}\s]+\}:[swlr]$/)
      expect(await user.pttl(key), key).toBeGreaterThan(0)
    }
    const windows = keys.filter((key) => key.endsWith(':w'))
    expect(windows).toHaveLength(3)
    for (const key of windows) expect(await user.hlen(key)).toBeLessThanOrEqual(10)
    const readable = 'undici-resilience:1:{https://api.example.com:8443}:s'
    expect(keys).toContain(readable)
    console.log(
      `memory of one circuit: state ${await user.memory('USAGE', readable)} bytes, window ${await user.memory('USAGE', windows[0]!)} bytes`,
    )
  })

  test('a foreign value of another type under our key: the circuit goes on locally, told once', async () => {
    await user.set('undici-resilience:1:{api}:s', 'not ours')
    const store = open()
    const heard: CircuitStoreChange[] = []
    store.circuits.onChange((change) => void heard.push(change))
    const [breaker, healthy] = [breakerOf(store), breakerOf(store, 'other')]
    await soon(() =>
      expect(healthy.snapshot()).toMatchObject({ degraded: false, epoch: expect.any(Number) as unknown }),
    )
    for (let index = 0; index < 20; index++) {
      expect(await breaker.execute(() => index)).toBe(index)
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    expect(breaker.snapshot().degraded).toBe(true)
    expect(healthy.snapshot().degraded).toBe(false)
    const told = heard.filter(({ type }) => type === 'store')
    expect(told).toHaveLength(1)
    expect(told[0]!.event).toMatchObject({
      degraded: true,
      error: { message: expect.stringContaining('WRONGTYPE') as unknown },
    })
    expect(await user.get('undici-resilience:1:{api}:s')).toBe('not ours')
    await user.del('undici-resilience:1:{api}:s')
    await soon(() => expect(breaker.snapshot().degraded).toBe(false))
    expect(heard.filter(({ type }) => type === 'store')).toHaveLength(2)
  })

  test('garbage in our hash counts as lost, never as a state', async () => {
    const key = 'undici-resilience:1:{api}:s'
    const store = open(user, { pollIntervalMs: 100 })
    const breaker = breakerOf(store)
    await untilPushed(store.circuits, store.circuits)
    await trip(breaker)
    await soon(() => expect(breaker.snapshot()).toMatchObject({ state: 'open', degraded: false }))
    const { epoch } = breaker.snapshot()
    for (const garbage of [
      { ep: 'NaN' },
      { ep: '9e99' },
      { st: 'x' },
      { ov: '?' },
      { ep: '-1' },
      { ep: '1.5' },
    ]) {
      await user.hset(key, garbage)
      await soon(async () =>
        expect(await user.hmget(key, 'ep', 'st', 'ov')).toEqual([String(epoch), 'o', '-']),
      )
    }
    expect(breaker.snapshot()).toMatchObject({ state: 'open', epoch, degraded: false })
  })

  test('garbage on the channel is ignored with one warning', async () => {
    const store = open()
    const breaker = breakerOf(store)
    await untilPushed(store.circuits, store.circuits)
    const channel = 'undici-resilience:1:circuits:0'
    const { epoch } = breaker.snapshot()
    const future = `${Date.now() + 3_600_000}000`
    for (const message of [
      '',
      'hello',
      '1 api',
      '1 api x o 1 1 - p 1',
      '{"a":1}',
      `1 api ${future} o 60000 1 - evil ${future}`,
      `2 api ${epoch + 1} o 1 1 - p 1`,
      '\u0000'.repeat(1_000),
    ]) {
      await user.publish(channel, message)
    }
    await untilPushed(store.circuits, store.circuits)
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', epoch })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('ignored a message')
  })
})

test('at most `maxCircuits` are in view', async () => {
  const store = open(user, { maxCircuits: 10 })
  const { policy } = resolveCircuitBreakerOptions({})
  for (let index = 0; index < 50; index++) store.circuits.circuit(`key-${index}`, policy)
  expect(store.circuits.list()).toHaveLength(10)
})

test('a process with a closed store ends by itself', async () => {
  const child = fileURLToPath(new URL('../../support/processes/circuit-exit-child.ts', import.meta.url))
  const register = new URL('../../support/register.ts', import.meta.url).href
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', register, child, String(server.port)],
    { timeout: 10_000 },
  )
  expect(stdout).toContain('closed, state open')
})

test('refuses bad options and things that are no client', () => {
  expect(() => redisStore({} as Redis)).toThrow(
    '`redis` must be an ioredis client (Redis or Cluster), got an object',
  )
  expect(() => redisStore(undefined as unknown as Redis)).toThrow(TypeError)
  expect(() => redisStore(user, { prefix: 'a{b}' })).toThrow(
    '`prefix` must be a string without braces and spaces',
  )
  expect(() => redisStore(user, { flushIntervalMs: 1 })).toThrow(
    '`flushIntervalMs` must be an integer >= 20 and <= 10000, got 1',
  )
  expect(() => redisStore(user, { commandTimeoutMs: 0 })).toThrow(RangeError)
})
