import type { Redis as RedisType } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { Agent, type Dispatcher } from 'undici'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { redisStore } from '../../../src/entries/redis.ts'
import { replayDeadLetters, resilience } from '../../../src/index.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

let redis: RunningRedis
let provider: Provider
beforeAll(async () => {
  redis = await startRedis()
  provider = await startProvider()
})
afterAll(async () => {
  await provider.close()
  await redis.stop()
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2))
}

it('a client of ioredis 5 shares circuits and dead letters with another process of its kind', async () => {
  // its types are those of another package, its behaviour is what is tested
  const client = () => new Redis5(redis.url) as unknown as RedisType
  const clients = [client(), client()]
  const stores = clients.map((own) => redisStore(own))
  const stacks = stores.map((store) =>
    resilience({
      integration: 'crm',
      store,
      retry: false,
      circuitBreaker: { failureThreshold: 3, failureRate: 0, timeoutMs: 60_000 },
    }),
  )
  const [first, second] = stacks.map((stack) => new Agent().compose(stack)) as [Dispatcher, Dispatcher]
  const { url } = provider

  // both have used the circuit, and each has its connection
  provider.start([ok])
  for (const dispatcher of [first, second]) await fetch(url, via(dispatcher))
  await until(() => stacks.every((stack) => !stack.circuits.state(url).degraded))

  provider.start([status(503)])
  for (let call = 0; call < 3; call++) await fetch(url, via(first, { method: 'PUT', body: `order ${call}` }))
  await until(() => stacks[1]!.circuits.state(url).state === 'open')
  await expect(fetch(url, via(second))).rejects.toMatchObject({ cause: { code: 'ERR_CIRCUIT_OPEN' } })

  // captured by both, each sees its own at once; sent again through the second
  await stacks[0]!.deadLetters.stats()
  expect((await stacks[1]!.deadLetters.list()).items).toHaveLength(4)
  await stacks[1]!.circuits.reset(url)
  provider.start([ok])
  const summary = await replayDeadLetters(stacks[1]!.deadLetters, {
    dispatcher: second,
    allowedOrigins: [url],
    ratePerSecond: Infinity,
  })
  expect(summary).toMatchObject({ sent: 4, done: 4 })
  expect(provider.received.map(({ body }) => String(body)).sort()).toEqual([
    '',
    'order 0',
    'order 1',
    'order 2',
  ])

  await Promise.all(stacks.map((stack) => stack.close()))
  await Promise.all(stores.map((store) => store.close()))
  await Promise.all([first.close(), second.close(), ...clients.map((own) => own.quit())])
})
