import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { limitStoreContract } from '../../../src/testing/contracts/limit-store.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'
import { runner } from '../runner.ts'

let server: RunningRedis
let client: Redis
let made = 0
beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
})

limitStoreContract(runner, 'redis', () => {
  const prefix = `contract-${++made}`
  const [one, two] = [redisStore(client, { prefix }), redisStore(client, { prefix })]
  return Promise.resolve({
    store: one.limits,
    other: two.limits,
    async dispose() {
      await Promise.all([one.close(), two.close()])
    },
  })
})
