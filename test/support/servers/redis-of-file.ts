import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'
import { type RunningRedis, startRedis } from './redis-server.ts'

/** A Redis for all tests of a file, and a client of it: there from the first test on, until the last one is over. */
export function redisOfFile(): { readonly server: RunningRedis; readonly user: Redis } {
  let server: RunningRedis
  let user: Redis
  beforeAll(async () => {
    server = await startRedis()
    user = new Redis(server.url)
  })
  afterAll(async () => {
    user.disconnect()
    await server.stop()
  })
  return {
    get server() {
      return server
    },
    get user() {
      return user
    },
  }
}
