import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe } from 'vitest'
import { twoRedisStores } from '../../support/fleet/shared-circuits.ts'
import {
  startRedis,
  startRedisCluster,
  type RunningRedis,
  type RunningRedisCluster,
} from '../../support/servers/redis-server.ts'
import { circuitDirectoryContract } from './circuit-directory.ts'

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
  circuitDirectoryContract('redis', () => twoRedisStores(client))
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
  circuitDirectoryContract('redis cluster', () => twoRedisStores(client))
})
