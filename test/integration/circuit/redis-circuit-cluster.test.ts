import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { CircuitBreaker } from '../../../src/circuit/circuit-breaker.ts'
import type { CircuitStoreChange } from '../../../src/circuit/store.ts'
import { type RedisStore, redisStore } from '../../../src/stores/redis/redis-store.ts'
import { everyOperation } from '../../support/calls/every-operation.ts'
import { untilPushed } from '../../support/fleet/shared-circuits.ts'
import { makeDocumentedUser } from '../../support/servers/documented-acl.ts'
import { type RunningRedisCluster, startRedisCluster } from '../../support/servers/redis-server.ts'

let servers: RunningRedisCluster
let client: Cluster
let one: RedisStore
let two: RedisStore
const heard: CircuitStoreChange[] = []

beforeAll(async () => {
  servers = await startRedisCluster()
  client = new Cluster([...servers.startupNodes], { lazyConnect: true, keyPrefix: 'app:' })
  one = redisStore(client)
  two = redisStore(client)
  one.circuits.onChange((change) => void heard.push(change))
  await untilPushed(one.circuits, two.circuits)
})
afterAll(async () => {
  await Promise.all([one.close(), two.close()])
  client.disconnect()
  await servers.stop()
})

test('circuits of all slots are shared, each in one slot', async () => {
  const breakers = Array.from({ length: 60 }, (_one, at) =>
    [one, two].map(
      (store) =>
        new CircuitBreaker({ integration: `https://api-${at}.test`, store, failureThreshold: 2, quorum: 2 }),
    ),
  )
  await vi.waitFor(
    () =>
      expect([...one.circuits.list(), ...two.circuits.list()].filter(({ degraded }) => degraded)).toEqual([]),
    10_000,
  )
  for (const pair of breakers) {
    for (const breaker of pair) {
      await breaker.execute(() => Promise.reject(new Error('boom'))).catch(() => undefined)
    }
  }
  await Promise.all([one.circuits.flush(), two.circuits.flush()])
  await vi.waitFor(
    () =>
      expect(breakers.flat().map(({ state }) => state)).toEqual(Array.from({ length: 120 }, () => 'open')),
    10_000,
  )
  const keys = await Promise.all(
    servers.nodes.map(async (node) => (await node.cli('keys', 'app:undici-resilience:1:*')).split('\n')),
  )
  for (const ofNode of keys) {
    expect(ofNode.filter((key) => key.includes('{https://')).length).toBeGreaterThan(5)
  }
  expect(heard.filter(({ type }) => type === 'store')).toEqual([])
})

test('transitions are pushed again after every subscription was cut', async () => {
  for (let times = 0; times < 2; times++) {
    for (const node of servers.nodes) await node.cli('client', 'kill', 'type', 'pubsub')
    await sleep(50)
    await untilPushed(one.circuits, two.circuits)
    await untilPushed(two.circuits, one.circuits)
  }
})

test('users with only what the documentation names, and the right to ask for the cluster', async () => {
  const withUserOf = async (page: string, check: (store: RedisStore, other: RedisStore) => Promise<void>) => {
    for (const node of servers.nodes) await makeDocumentedUser(node, page, '+cluster')
    const limited = new Cluster([...servers.startupNodes], {
      lazyConnect: true,
      redisOptions: { username: 'app', password: 'secret' },
    })
    const stores = [redisStore(limited), redisStore(limited)] as const
    await check(...stores)
    await Promise.all(stores.map((store) => store.close()))
    limited.disconnect()
  }
  await withUserOf('redis.md', async (here, there) => {
    await untilPushed(here.circuits, there.circuits)
    const breakers = [here, there].map(
      (store) => new CircuitBreaker({ integration: 'https://limited.test', store, failureThreshold: 1 }),
    )
    await breakers[0]!.execute(() => Promise.reject(new Error('boom'))).catch(() => undefined)
    await vi.waitFor(() => expect(breakers.map(({ state }) => state)).toEqual(['open', 'open']), 10_000)
    expect([...here.circuits.list(), ...there.circuits.list()].map(({ degraded }) => degraded)).not.toContain(
      true,
    )
  })
  await withUserOf('dead-letters.md', ({ deadLetters }) => everyOperation(deadLetters))
})

test('a master that is gone for good takes only its own circuits out of reach', async () => {
  const gone = servers.nodes[2]!
  await gone.kill()
  const breakers = Array.from(
    { length: 30 },
    (_one, at) =>
      new CircuitBreaker({
        integration: `https://late-${at}.test`,
        store: one,
        failureThreshold: 1,
        failureRate: 0,
      }),
  )
  for (const breaker of breakers) expect(await breaker.execute(() => 1)).toBe(1)
  for (const breaker of breakers) {
    await breaker.execute(() => Promise.reject(new Error('boom'))).catch(() => undefined)
  }
  // each opens, in the cluster or by itself
  await vi.waitFor(() => expect(breakers.map(({ state }) => state)).toEqual(breakers.map(() => 'open')), {
    timeout: 10_000,
  })
})
