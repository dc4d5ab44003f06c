import { Cluster, Redis } from 'ioredis'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe } from 'vitest'
import type { DeadLetterStore, RetentionOptions } from '../../src/dead-letter/store.ts'
import type { RedisClient } from '../../src/stores/redis/connection.ts'
import { redisDeadLetters, resolveRedisDeadLetters } from '../../src/stores/redis/dead-letters.ts'
import {
  type RunningRedis,
  type RunningRedisCluster,
  startRedis,
  startRedisCluster,
} from '../support/redis-server.ts'
import { deadLetterStoreContract, type StoreUnderTest } from './dead-letter-store.ts'

let count = 0

async function storeOn(client: RedisClient, retention: RetentionOptions): Promise<StoreUnderTest> {
  const prefix = `contract-${++count}`
  const made: DeadLetterStore[] = []
  const open = (): DeadLetterStore => {
    const store = redisDeadLetters(
      client,
      prefix,
      resolveRedisDeadLetters({ maxAgeMs: Infinity, ...retention }),
    )
    made.push(store)
    return store
  }
  const store = open()
  await store.stats()
  const states = `${prefix}:1:{dead-letters}:st`
  const payloads = `${prefix}:1:{dead-letters}:s`
  return {
    store,
    // leases are timed by the server's own clock
    advance: (ms) => sleep(ms + 1),
    other: () => Promise.resolve(open()),
    damage: async (id) => {
      const state = JSON.parse((await client.hget(states, id)) ?? '{}') as { i: string }
      await client.xdel(payloads, state.i)
      state.i = String(await client.xadd(payloads, '*', 'r', '{"version":1,"id":7}'))
      await client.hset(states, id, JSON.stringify(state))
    },
    dispose: async () => {
      for (const one of made) await one.close()
    },
  }
}

describe('on one server', () => {
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
  deadLetterStoreContract('Redis', (retention) => storeOn(client, retention))
})

describe('on a cluster', () => {
  let cluster: RunningRedisCluster
  let client: Cluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
    client = new Cluster([...cluster.startupNodes])
  })
  afterAll(async () => {
    client.disconnect()
    await cluster.stop()
  })
  deadLetterStoreContract('Redis Cluster', (retention) => storeOn(client, retention))
})
