import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe } from 'vitest'
import { circuitStoreContract } from '../../../src/testing/contracts/circuit-store.ts'
import { twoRedisStores } from '../../support/fleet/shared-circuits.ts'
import {
  type RunningRedis,
  type RunningRedisCluster,
  startRedis,
  startRedisCluster,
} from '../../support/servers/redis-server.ts'
import { runner } from '../runner.ts'

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
  circuitStoreContract(runner, 'redis', (options) => twoRedisStores(client, options))
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
  circuitStoreContract(runner, 'redis cluster', (options) => twoRedisStores(client, options))
})
