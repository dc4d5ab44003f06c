import { Redis } from 'ioredis'
import { Agent, request } from 'undici'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { CircuitBreakerOpenError } from '../../../src/errors.ts'
import { resilience, type ResilienceOptions, type ResilienceStack } from '../../../src/resilience.ts'
import { redisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { type SlowProxy, startSlowProxy } from '../../support/calls/slow-proxy.ts'
import { startRunClock } from '../../support/calls/turns.ts'
import { untilPushed } from '../../support/fleet/shared-circuits.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

let server: RunningRedis
let proxy: SlowProxy
let provider: Provider
let user: Redis
const closing: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  server = await startRedis()
  proxy = await startSlowProxy(server.port)
  user = new Redis(proxy.port, '127.0.0.1', { lazyConnect: true })
})
afterAll(async () => {
  user.disconnect()
  await proxy.close()
  await server.stop()
})
afterEach(async () => {
  proxy.delayMs = 0
  for (const close of closing.splice(0)) await close()
  await server.cli('flushall')
})

/** A stack as one process has it, on a store of its own. */
function processStack(
  options: ResilienceOptions = {},
  storeOptions: RedisStoreOptions = {},
): { stack: ResilienceStack; dispatcher: Agent } {
  const store = redisStore(user, storeOptions)
  const stack = resilience({
    retry: false,
    deadLetter: false,
    circuitBreaker: { failureThreshold: 3, timeoutMs: 200, maxWaitMs: 0 },
    ...options,
    store,
  })
  const agent = new Agent()
  closing.push(
    () => stack.close(),
    () => store.close(),
    () => agent.destroy(),
  )
  return { stack, dispatcher: agent.compose(stack) as Agent }
}

async function get(dispatcher: Agent, signal?: AbortSignal): Promise<number> {
  const { statusCode, body } = await request(provider.url, {
    dispatcher,
    ...(signal === undefined ? {} : { signal }),
  })
  await body.text()
  return statusCode
}

async function open(...replies: Parameters<typeof startProvider>): Promise<void> {
  provider = await startProvider(...replies)
  closing.push(() => provider.close())
}

test('what one process learns stops another, whose retries end at once and send nothing', async () => {
  await open(status(503))
  // open for long enough that nobody probes it before the test is there
  const circuit = { circuitBreaker: { failureThreshold: 3, timeoutMs: 3_000, maxWaitMs: 0 } }
  const one = processStack(circuit)
  const two = processStack({ ...circuit, retry: { initialBackoffMs: 1 } })
  const store = (stack: ResilienceStack) => stack.circuits as never
  await untilPushed(store(one.stack), store(two.stack))
  for (let index = 0; index < 3; index++) expect(await get(one.dispatcher)).toBe(503)
  await vi.waitFor(() => expect(one.stack.circuits.state(provider.url).state).toBe('open'), {
    interval: 2,
    timeout: 10_000,
  })
  // it has never used this circuit, but heard of it: before what one says next
  await untilPushed(store(one.stack), store(two.stack))
  await expect(get(two.dispatcher)).rejects.toThrow(CircuitBreakerOpenError)
  expect(provider.received).toHaveLength(3)
  provider.start([ok])
  await vi.waitFor(async () => expect(await get(two.dispatcher)).toBe(200), { interval: 20, timeout: 10_000 })
  await vi.waitFor(
    async () => {
      await get(two.dispatcher)
      expect(one.stack.circuits.state(provider.url).state).toBe('closed')
    },
    { interval: 20, timeout: 10_000 },
  )
})

test('an abort in the wait for Redis is heard at once, nothing is sent, and the slot goes back', async () => {
  await open(status(503))
  const { stack, dispatcher } = processStack(
    { circuitBreaker: { failureThreshold: 3, timeoutMs: 100, halfOpenMaxAttempts: 1 } },
    { commandTimeoutMs: 2_000 },
  )
  await untilPushed(stack.circuits as never, stack.circuits as never)
  for (let index = 0; index < 3; index++) await get(dispatcher)
  await vi.waitFor(() => expect(stack.circuits.state(provider.url).state).toBe('open'), {
    interval: 2,
    timeout: 10_000,
  })
  await vi.waitFor(() => expect(stack.circuits.state(provider.url).retryAfterMs).toBe(0), {
    interval: 5,
    timeout: 10_000,
  })
  provider.start([ok])
  proxy.delayMs = 1_500
  const controller = new AbortController()
  const call = get(dispatcher, controller.signal)
  setTimeout(() => controller.abort(new Error('enough')), 50)
  const ran = startRunClock()
  await expect(call).rejects.toThrow('enough')
  expect(ran()).toBeLessThan(750)
  proxy.delayMs = 0
  await vi.waitFor(async () => expect(await get(dispatcher)).toBe(200), { interval: 20, timeout: 10_000 })
  expect(provider.received).toHaveLength(1)
  await vi.waitFor(() => expect(stack.circuits.state(provider.url).state).toBe('closed'), {
    interval: 5,
    timeout: 10_000,
  })
})

test('a probe that waits too long for Redis goes by the local machine, within the command timeout', async () => {
  await open(status(503))
  const { stack, dispatcher } = processStack({}, { commandTimeoutMs: 100 })
  await untilPushed(stack.circuits as never, stack.circuits as never)
  for (let index = 0; index < 3; index++) await get(dispatcher)
  await vi.waitFor(() => expect(stack.circuits.state(provider.url).state).toBe('open'), {
    interval: 2,
    timeout: 10_000,
  })
  server.freeze()
  try {
    await vi.waitFor(() => expect(stack.circuits.state(provider.url).retryAfterMs).toBe(0), {
      interval: 5,
      timeout: 10_000,
    })
    provider.start([ok])
    const ran = startRunClock()
    expect(await get(dispatcher)).toBe(200)
    expect(ran()).toBeLessThan(400)
    expect(await get(dispatcher)).toBe(200)
    expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'closed', degraded: true })
  } finally {
    server.thaw()
  }
  // what the frozen server still executes may have begun a new round: with traffic it closes there too
  await vi.waitFor(
    async () => {
      expect(await get(dispatcher)).toBe(200)
      expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'closed', degraded: false })
      expect(await server.cli('hget', `undici-resilience:1:{${provider.url}}:s`, 'st')).toBe('c')
    },
    { interval: 20, timeout: 10_000 },
  )
})
