import { AsyncLocalStorage } from 'node:async_hooks'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CircuitBreakerOpenError, RequestTimeoutError, ShutdownError } from '../../../../src/errors.ts'
import { resilience, type ResilienceOptions } from '../../../../src/resilience.ts'
import { memoryStore } from '../../../../src/stores/memory/memory-store.ts'
import { ScriptedDispatcher } from '../../../support/calls/scripted-dispatcher.ts'

const origin = 'http://api.test'

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    }),
)
afterEach(() => void vi.useRealTimers())

function setUp(options: ResilienceOptions = {}) {
  const own = { deadLetter: false, retry: false, store: memoryStore(), ...options } as const
  const stack = resilience(own)
  const server = new ScriptedDispatcher()
  const dispatcher = server.compose(stack)
  const call = (init: { method?: 'GET' | 'POST'; body?: string; signal?: AbortSignal } = {}) => {
    const result = request(`${origin}/things`, { dispatcher, ...init }).then(async ({ statusCode, body }) => {
      await body.text()
      return statusCode
    })
    // a test may look at the result later than it comes
    result.catch(() => undefined)
    return result
  }
  const trip = async () => {
    const once = server.compose(resilience({ ...own, retry: false }))
    for (let failed = 0; failed < 10; failed++) {
      const result = request(origin, { dispatcher: once })
      server.attempts.at(-1)!.respond(503)
      await (await result).body.text()
    }
    expect(stack.circuits.state(origin)).toMatchObject({ state: 'open', retryAfterMs: 1_000 })
    server.attempts.length = 0
  }
  return { stack, server, call, trip }
}

test('a call that comes to an open circuit goes when it may, once, and with what it carries', async () => {
  const { stack, server, call, trip } = setUp()
  await trip()
  const calls = [call({ method: 'POST', body: 'one' }), call({ method: 'POST', body: 'two' })]
  await vi.advanceTimersByTimeAsync(1_000)
  expect(server.attempts).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(server.attempts.map(({ options }) => options.body)).toEqual(['one', 'two'])
  for (const attempt of server.attempts) attempt.respond(201)
  expect(await Promise.all(calls)).toEqual([201, 201])
  expect(stack.circuits.state(origin).state).toBe('closed')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(server.attempts).toHaveLength(2)
  expect(vi.getTimerCount()).toBe(0)
})

test('the wait counts neither as an attempt nor as slow, and no attempt timeout runs in it', async () => {
  const { stack, server, call, trip } = setUp({
    attemptTimeoutMs: 500,
    circuitBreaker: { slowCallMs: 300, slowCallRate: 0.1, halfOpenMaxAttempts: 1 },
  })
  await trip()
  const calls = [call(), call()]
  await vi.advanceTimersByTimeAsync(1_001)
  expect(server.attempts).toHaveLength(1)
  server.attempts[0]!.respond(200)
  await vi.advanceTimersByTimeAsync(1)
  expect(server.attempts).toHaveLength(2)
  server.attempts[1]!.respond(200)
  expect(await Promise.all(calls)).toEqual([200, 200])
  expect(stack.circuits.state(origin)).toMatchObject({ state: 'closed', failures: 0 })
})

test('a refusal after a wait says how many attempts were made, and when to come again', async () => {
  const { server, call, trip } = setUp({ circuitBreaker: { halfOpenMaxAttempts: 1, maxWaitMs: 1_500 } })
  await trip()
  const [probe, waiting] = [call(), call()]
  await vi.advanceTimersByTimeAsync(1_001)
  server.attempts[0]!.respond(503)
  expect(await probe).toBe(503)
  await vi.advanceTimersByTimeAsync(1)
  const error = await waiting.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(CircuitBreakerOpenError)
  expect(error).toMatchObject({ attempts: 0, retryAfterMs: 1_999, method: 'GET', key: origin })
  expect(vi.getTimerCount()).toBe(0)
})

test('an abort ends the wait at once and leaves no timer', async () => {
  const { server, call, trip } = setUp()
  await trip()
  const controller = new AbortController()
  const waiting = call({ signal: controller.signal })
  await vi.advanceTimersByTimeAsync(200)
  controller.abort()
  await expect(waiting).rejects.toThrow(/abort/i)
  expect(vi.getTimerCount()).toBe(0)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(server.attempts).toHaveLength(0)
})

test('a call that has less time than the circuit stays open is refused at once', async () => {
  const { call, trip } = setUp({ totalTimeoutMs: 700 })
  await trip()
  await expect(call()).rejects.toThrow(CircuitBreakerOpenError)
})

test('the total timeout ends a wait', async () => {
  const { server, call, trip } = setUp({
    totalTimeoutMs: 1_200,
    circuitBreaker: { halfOpenMaxAttempts: 1 },
  })
  await trip()
  const calls = [call(), call()]
  const over = Promise.allSettled(calls)
  await vi.advanceTimersByTimeAsync(1_001)
  server.attempts[0]!.start()
  await vi.advanceTimersByTimeAsync(200)
  const [probe, waiting] = (await over) as PromiseRejectedResult[]
  expect(probe!.reason).toBeInstanceOf(RequestTimeoutError)
  // the line refuses at the deadline, or the timeout comes first
  expect([RequestTimeoutError, CircuitBreakerOpenError]).toContain((waiting!.reason as Error).constructor)
  expect(server.attempts).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('`close` ends the wait with a ShutdownError, and nothing waits after it', async () => {
  const { stack, call, trip } = setUp()
  await trip()
  const waiting = call()
  await vi.advanceTimersByTimeAsync(100)
  const closed = stack.close()
  await expect(waiting).rejects.toThrow(ShutdownError)
  await closed
  await expect(call()).rejects.toThrow(CircuitBreakerOpenError)
  expect(vi.getTimerCount()).toBe(0)
})

test('isolating refuses those who wait and leaves no timer', async () => {
  const { stack, call, trip } = setUp()
  await trip()
  const waiting = call()
  await stack.circuits.isolate(origin)
  await vi.advanceTimersByTimeAsync(1)
  await expect(waiting).rejects.toThrow('is isolated')
  expect(vi.getTimerCount()).toBe(0)
})

test('a call beyond `maxWaiting` is refused at once', async () => {
  const { call, trip } = setUp({ circuitBreaker: { maxWaiting: 1 } })
  await trip()
  const waiting = call()
  await expect(call()).rejects.toThrow(CircuitBreakerOpenError)
  await vi.advanceTimersByTimeAsync(999)
  const pending = await Promise.race([waiting, Promise.resolve('waits')])
  expect(pending).toBe('waits')
})

test('each call goes in the async context of its own caller', async () => {
  const tenant = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const { stack, server, trip } = setUp()
  await trip()
  const dispatcher = server
    .compose((dispatch) => (options, handler) => {
      seen.push(tenant.getStore())
      return dispatch(options, handler)
    })
    .compose(stack)
  server.answer = (attempt) => attempt.respond(200)
  const calls = ['alice', 'bob', 'carol'].map((name) =>
    tenant.run(name, () => request(`${origin}/`, { dispatcher }).then(({ body }) => body.text())),
  )
  await vi.advanceTimersByTimeAsync(1_010)
  await Promise.all(calls)
  expect(seen).toEqual(['alice', 'bob', 'carol'])
})

describe('the retries of a call', () => {
  test('go on after a wait, and the attempts after it count on', async () => {
    const { server, call, trip } = setUp({ retry: { initialBackoffMs: 0 } })
    await trip()
    const result = call()
    await vi.advanceTimersByTimeAsync(1_001)
    expect(server.attempts).toHaveLength(1)
    server.attempts[0]!.respond(503)
    // open for 2 s now: its second attempt waits that out too
    await vi.advanceTimersByTimeAsync(2_005)
    expect(server.attempts).toHaveLength(2)
    server.attempts[1]!.respond(200)
    expect(await result).toBe(200)
  })
})
