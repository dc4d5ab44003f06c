import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import { RedisLimitBackend } from '../../../src/stores/redis/limits/backend.ts'
import { RedisLimitDirectory } from '../../../src/stores/redis/limits/directory.ts'
import { LimitLayout } from '../../../src/stores/redis/limits/layout.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'
import { limitDirectoryContract } from './limit-directory.ts'

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

limitDirectoryContract('redis', () => {
  const layout = new LimitLayout(client, `contract-${++made}`)
  const backend = new RedisLimitBackend({ client, layout, channel: 'channel', timeoutMs: 30_000 })
  const connected = (): Promise<Redis> => Promise.resolve(client)
  const directory = new RedisLimitDirectory({ connected, backend, layout, timeoutMs: 30_000 })
  return Promise.resolve({ backend, directory, dispose: () => Promise.resolve() })
})
