import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe } from 'vitest'
import type { RedisClient } from '../../src/stores/redis/connection.ts'
import { redisStore } from '../../src/stores/redis/redis-store.ts'
import { untilPushed } from '../support/shared-circuits.ts'
import {
  type RunningRedis,
  type RunningRedisCluster,
  startRedis,
  startRedisCluster,
} from '../support/redis-server.ts'
import { type CircuitStoreFixture, circuitStoreContract } from './circuit-store.ts'

let prefixes = 0

/** Two stores as two processes would have them, both connected and subscribed. */
async function twoStores(
  client: RedisClient,
  options: { maxCircuits?: number } = {},
): Promise<CircuitStoreFixture> {
  const prefix = `contract-${++prefixes}`
  const [one, two] = [redisStore(client, { ...options, prefix }), redisStore(client, { ...options, prefix })]
  await untilPushed(one.circuits, two.circuits)
  await untilPushed(two.circuits, one.circuits)
  return {
    store: one.circuits,
    other: two.circuits,
    async dispose() {
      await Promise.all([one.close(), two.close()])
    },
  }
}

describe('one server', () => {
  let server: RunningRedis
  let client: Redis
  beforeAll(async () => {
    server = await startRedis()
    client = new Redis(server.url)
  })
  afterAll(async () => {
    client.disconnect()
    await server.stop()
  })
  circuitStoreContract('redis', (options) => twoStores(client, options))
})

describe('cluster', () => {
  let servers: RunningRedisCluster
  let client: Cluster
  beforeAll(async () => {
    servers = await startRedisCluster()
    client = new Cluster([...servers.startupNodes])
  })
  afterAll(async () => {
    client.disconnect()
    await servers.stop()
  })
  circuitStoreContract('redis cluster', (options) => twoStores(client, options))
})
