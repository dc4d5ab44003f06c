import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unknownView } from '../../../src/circuit/machine/state.ts'
import { resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
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

test('keeps a circuit alive once in each bucket that is counted into, and at each flush that counts nothing', async () => {
  const prefix = 'alive'
  const layout = new CircuitLayout(client, prefix)
  const scripts = makeCircuitScripts(`local micros = tonumber(redis.call('GET', '${prefix}:clock'))`)
  const backend = new RedisCircuitBackend({ client, layout, by: 'p', timeoutMs: 30_000, scripts })
  const { policy } = resolveCircuitBreakerOptions({ windowMs: 100_000 })
  const [stateKey, windowKey] = layout.keysOf('a')
  let view = unknownView
  const flush = async (second: number, total: number): Promise<void> => {
    await client.set(`${prefix}:clock`, String((1_700_000_000 + second) * 1e6))
    const [reply] = await backend.flush([{ id: 'a', policy, view, counts: { total, failed: 0, slow: 0 } }])
    if (reply === undefined || reply instanceof Error) throw new Error('no reply', { cause: reply })
    view = reply.view
  }
  const shorten = async (): Promise<void> => {
    await client.pexpire(stateKey, 50_000)
    await client.pexpire(windowKey, 50_000)
  }
  const areShort = async (): Promise<boolean[]> =>
    (await Promise.all([client.pttl(stateKey), client.pttl(windowKey)])).map((ms) => ms > 0 && ms <= 50_000)

  await flush(0, 1)
  await shorten()
  await flush(9, 1)
  expect(await areShort()).toEqual([true, true])
  await flush(10, 1)
  expect(await areShort()).toEqual([false, false])
  await shorten()
  await flush(10, 0)
  expect(await areShort()).toEqual([false, true])
})
