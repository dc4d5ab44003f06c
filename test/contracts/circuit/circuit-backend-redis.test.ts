import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect } from 'vitest'
import { RedisCircuitBackend } from '../../../src/stores/redis/circuits/backend.ts'
import { CircuitLayout } from '../../../src/stores/redis/circuits/layout.ts'
import { makeCircuitScripts } from '../../../src/stores/redis/circuits/scripts.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'
import { circuitBackendContract } from './circuit-backend.ts'

let server: RunningRedis
let client: Redis
let fixtures = 0

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
})

circuitBackendContract(
  'redis',
  () => {
    const prefix = `contract-${++fixtures}`
    const layout = new CircuitLayout(client, prefix)
    // the scripts of production, but for the part that asks the server what time it is
    const scripts = makeCircuitScripts(`local micros = tonumber(redis.call('GET', '${prefix}:clock'))`)
    const failed: unknown[] = []
    // not awaited: on one connection commands arrive in the order in which they are sent
    const send = (command: Promise<unknown>): void =>
      void command.catch((error: unknown) => failed.push(error))
    return Promise.resolve({
      backend: (by) => new RedisCircuitBackend({ client, layout, by, timeoutMs: 30_000, scripts }),
      setClock: (ms) => send(client.set(`${prefix}:clock`, String(ms * 1_000))),
      lose: (id) => send(client.del(...layout.keysOf(id))),
      async dispose() {
        await client.ping()
        expect(failed).toEqual([])
      },
    })
  },
  { traces: 1_000, lanes: 20 },
)
