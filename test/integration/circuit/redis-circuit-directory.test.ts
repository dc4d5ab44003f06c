import { Redis, type RedisOptions } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import type { CircuitDirectory } from '../../../src/circuit/shared/directory.ts'
import { type RedisStore, redisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import { makeDocumentedUser } from '../../support/servers/documented-acl.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

const key = 'https://api.test'

let server: RunningRedis
let user: Redis
const stores: RedisStore[] = []
const clients: Redis[] = []

beforeAll(async () => {
  server = await startRedis()
  user = new Redis(server.url)
})
afterAll(async () => {
  user.disconnect()
  await server.stop()
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  for (const client of clients.splice(0)) client.disconnect()
  await user.flushall()
})

function directory(client: Redis = user, options: RedisStoreOptions = {}): CircuitDirectory {
  const store = redisStore(client, { commandTimeoutMs: 5_000, ...options })
  stores.push(store)
  return store.circuits.directory
}

// ioredis 6 types its options by what they make of replies, which exactOptionalPropertyTypes does not follow
const Client = Redis as unknown as new (options: RedisOptions) => Redis

function client(options: RedisOptions): Redis {
  const made = new Client({ port: server.port, host: '127.0.0.1', retryStrategy: () => null, ...options })
  made.on('error', () => undefined)
  clients.push(made)
  return made
}

test('what is not ours is left out alone', async () => {
  const circuits = directory()
  await circuits.overrule(key, 'isolate')
  await user.set('undici-resilience:1:{text}:s', 'no hash')
  await user.hset('undici-resilience:1:{garbage}:s', { ep: 'soon', st: 'ajar' })
  await user.hset('undici-resilience:1:{half}:s', { ep: '17', st: 'c', ov: '-', by: 'some one else' })
  await user.hset('other:1:{https://api.test}:s', { ep: '17', st: 'c', ov: '-', by: 'x' })
  expect((await circuits.list()).map((circuit) => circuit.key)).toEqual([key])
  for (const foreign of ['text', 'garbage', 'half']) expect(await circuits.find(foreign)).toBeUndefined()
})

test('thousands of circuits are listed, each once, while others come and go', async () => {
  const circuits = directory()
  const keys = Array.from({ length: 3_000 }, (_one, at) => `https://api-${at}.test`)
  await Promise.all(keys.map((one) => circuits.overrule(one, 'isolate')))
  const [listed] = await Promise.all([
    circuits.list(),
    ...Array.from({ length: 300 }, (_one, at) => circuits.overrule(`https://new-${at}.test`, 'reset')),
  ])
  const old = listed.filter((circuit) => circuit.key.startsWith('https://api-'))
  expect(old.map((circuit) => circuit.key)).toEqual([...keys].sort())
})

test('the prefix and the keyPrefix of the client are those of the store, and may hold what SCAN takes for a pattern', async () => {
  const circuits = directory(client({ keyPrefix: 'app[1]*:' }), { prefix: 'cir?cuits' })
  await circuits.overrule(key, 'isolate')
  await directory(user, { prefix: 'circcuits' }).overrule('https://other.test', 'isolate')
  await directory(client({ keyPrefix: 'app1x:' }), { prefix: 'cir?cuits' }).overrule(
    'https://x.test',
    'reset',
  )
  expect(await circuits.list()).toMatchObject([{ key, override: 'isolated' }])
})

test('looking changes nothing, not even how long the keys live', async () => {
  const circuits = directory()
  await circuits.overrule(key, 'isolate')
  await user.pexpire(`undici-resilience:1:{${key}}:s`, 60_000)
  await circuits.list()
  await circuits.find(key)
  expect(await user.pttl(`undici-resilience:1:{${key}}:s`)).toBeLessThanOrEqual(60_000)
})

test('a watcher is told once that the connection was lost, and nothing more; a new watch hears again', async () => {
  const circuits = directory()
  const [told, lost]: [string[], Error[]] = [[], []]
  await circuits.watch({
    changed: (circuit) => told.push(circuit.override ?? circuit.state),
    lost: (error) => lost.push(error),
  })
  await circuits.overrule(key, 'isolate')
  await vi.waitFor(() => expect(told.at(-1)).toBe('isolated'), 10_000)
  await server.cli('client', 'kill', 'type', 'pubsub')
  await vi.waitFor(() => expect(lost).toEqual([expect.any(Error)]), 10_000)
  const again: string[] = []
  const end = await circuits.watch({
    changed: (circuit) => again.push(circuit.override ?? circuit.state),
    lost: () => undefined,
  })
  await circuits.overrule(key, 'force-close')
  await vi.waitFor(() => expect(again).toEqual(['forced-closed']), 10_000)
  end()
  expect(told.at(-1)).toBe('isolated')
  expect(lost).toHaveLength(1)
})

test('a server that does not answer is an error within the timeout, whatever is asked', async () => {
  const frozen = await startRedis()
  const circuits = directory(client({ port: frozen.port }), { commandTimeoutMs: 300 })
  await circuits.overrule(key, 'isolate')
  frozen.freeze()
  const start = performance.now()
  const asked = await Promise.allSettled([
    circuits.list(),
    circuits.find(key),
    circuits.overrule(key, 'reset'),
  ])
  expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(performance.now() - start).toBeLessThan(5_000)
  frozen.thaw()
  await frozen.stop()
  // as soon as the client has noticed: before that ioredis itself says that nothing can be written
  await vi.waitFor(() => expect(circuits.list()).rejects.toThrow('Redis cannot be reached'), 10_000)
  await expect(circuits.watch({ changed: () => undefined, lost: () => undefined })).rejects.toThrow(
    'cannot subscribe to undici-resilience:1:circuits:0',
  )
})

test('a user with only what the documentation names may list, watch and overrule', async () => {
  await makeDocumentedUser(server, 'redis.md', '+scan')
  const circuits = directory(client({ username: 'app', password: 'secret' }))
  const told: string[] = []
  await circuits.watch({
    changed: (circuit) => told.push(circuit.override ?? circuit.state),
    lost: () => undefined,
  })
  await circuits.overrule(key, 'isolate')
  expect(await circuits.list()).toMatchObject([{ key, override: 'isolated' }])
  expect(await circuits.find(key)).toMatchObject({ key, override: 'isolated' })
  await vi.waitFor(() => expect(told.at(-1)).toBe('isolated'), 10_000)
})
