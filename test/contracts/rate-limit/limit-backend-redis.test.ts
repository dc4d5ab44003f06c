import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import type { LimitMessage } from '../../../src/rate-limit/shared/backend.ts'
import { decodeLimitMessage } from '../../../src/rate-limit/shared/wire.ts'
import { RedisLimitBackend } from '../../../src/stores/redis/limits/backend.ts'
import { LimitLayout } from '../../../src/stores/redis/limits/layout.ts'
import { makeLimitScripts } from '../../../src/stores/redis/limits/scripts.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'
import { limitBackendContract } from './limit-backend.ts'

let server: RunningRedis
let client: Redis
let subscriber: Redis
let made = 0

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
  subscriber = new Redis(server.url)
  subscriber.setMaxListeners(0)
})
afterAll(async () => {
  client.disconnect()
  subscriber.disconnect()
  await server.stop()
})

limitBackendContract('limits in Redis', async () => {
  const prefix = `contract-${made++}`
  const channel = `${prefix}:channel`
  const clockKey = `${prefix}:clock`
  let now = 1_700_000_000_000
  await client.set(clockKey, now * 1_000)
  const layout = new LimitLayout(client, prefix)
  const scripts = makeLimitScripts(`local micros = tonumber(redis.call('GET', '${clockKey}'))`)
  const backend = new RedisLimitBackend({ client, layout, channel, timeoutMs: 5_000, scripts })
  const messages: LimitMessage[] = []
  subscriber.on('message', (from: string, text: string) => {
    const message = from === channel ? decodeLimitMessage(text) : undefined
    if (message !== undefined) messages.push(message)
  })
  await subscriber.subscribe(channel)
  return {
    backend,
    async advance(ms) {
      now += ms
      await client.set(clockKey, now * 1_000)
    },
    async wipe() {
      await client.flushall()
      await client.set(clockKey, now * 1_000)
    },
    async pushed() {
      // what was published before has arrived when this has
      await subscriber.ping()
      return messages.splice(0)
    },
  }
})
