import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe } from 'vitest'
import { resolveOptions } from '../../../src/checks.ts'
import type { RetentionOptions } from '../../../src/dead-letter/store/retention.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import type { RedisClient } from '../../../src/stores/redis/connection.ts'
import {
  redisDeadLetters,
  redisDeadLettersChecks,
} from '../../../src/stores/redis/dead-letters/dead-letters.ts'
import { deadLetterStoreContract } from '../../../src/testing/contracts/dead-letter-store/contract.ts'
import type { DeadLetterStoreFixture } from '../../../src/testing/contracts/dead-letter-store/scene.ts'
import {
  type RunningRedis,
  type RunningRedisCluster,
  startRedis,
  startRedisCluster,
} from '../../support/servers/redis-server.ts'
import { runner } from '../runner.ts'

let count = 0
// real time: what has to be done within a lease may take a busy machine a while
const leaseMs = 300

async function storeOn(client: RedisClient, retention: RetentionOptions): Promise<DeadLetterStoreFixture> {
  const prefix = `contract-${++count}`
  const made: DeadLetterStore[] = []
  const open = (): DeadLetterStore => {
    const store = redisDeadLetters(
      client,
      prefix,
      resolveOptions('redisDeadLetters', redisDeadLettersChecks, { maxAgeMs: Infinity, ...retention }),
    )
    made.push(store)
    return store
  }
  const store = open()
  await store.stats()
  const states = `${prefix}:1:{dead-letters}:states`
  const payloads = `${prefix}:1:{dead-letters}:payloads`
  return {
    store,
    // leases are timed by the server's own clock
    advance: (ms) => sleep(ms + 1),
    other: () => Promise.resolve(open()),
    damage: async (id) => {
      const state = JSON.parse((await client.hget(states, id)) ?? '{}') as { payload: string }
      await client.xdel(payloads, state.payload)
      state.payload = String(await client.xadd(payloads, '*', 'record', '{"version":1,"id":7}'))
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
  deadLetterStoreContract(runner, 'Redis', (retention) => storeOn(client, retention), { leaseMs })
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
  deadLetterStoreContract(runner, 'Redis Cluster', (retention) => storeOn(client, retention), { leaseMs })
})
