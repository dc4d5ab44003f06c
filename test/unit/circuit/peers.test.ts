import { request } from 'undici'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { circuitBreaker, type CircuitBreakerInterceptorOptions } from '../../../src/circuit/interceptor.ts'
import { CircuitBreakerOpenError } from '../../../src/errors.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

// One test per bug of a peer that concerns breakers: what they do is named, what we do is tested.

const origin = 'http://api.test'

function setUp(options: CircuitBreakerInterceptorOptions = {}) {
  const breaker = circuitBreaker({
    failureThreshold: 2,
    timeoutMs: 1_000,
    halfOpenMaxAttempts: 1,
    maxWaitMs: 0,
    ...options,
  })
  const server = new ScriptedDispatcher()
  const dispatcher = server.compose(breaker)
  const call = (signal?: AbortSignal) => {
    const result = request(`${origin}/`, { dispatcher, ...(signal === undefined ? {} : { signal }) }).then(
      async ({ statusCode, body }) => {
        await body.text()
        return statusCode
      },
    )
    result.catch(() => undefined)
    return { result, attempt: server.attempts.at(-1)! }
  }
  const answered = async (statusCode: number) => {
    const { result, attempt } = call()
    attempt.respond(statusCode)
    await result
  }
  return { breaker, server, call, answered, state: () => breaker.circuits.state(origin) }
}

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    }),
)
afterEach(() => void vi.useRealTimers())

test('cockatiel SamplingBreaker: failures of an hour ago do not count after idling', async () => {
  const { answered, state } = setUp()
  await answered(503)
  vi.advanceTimersByTime(3_600_000)
  await answered(503)
  expect(state()).toMatchObject({ state: 'closed', failures: 1, requests: 1 })
})

test('cockatiel: half-open callers do not wait behind a hung probe, they are refused at once', async () => {
  const { answered, call } = setUp()
  await answered(503)
  await answered(503)
  vi.advanceTimersByTime(1_000)
  call().attempt.start()
  for (let index = 0; index < 10; index++) {
    await expect(call().result).rejects.toThrow(CircuitBreakerOpenError)
  }
})

test('opossum: its own refusals are no failures, and lengthen nothing', async () => {
  const { answered, call, state } = setUp()
  await answered(503)
  await answered(503)
  for (let index = 0; index < 50; index++) await call().result.catch(() => undefined)
  expect(state()).toMatchObject({ retryAfterMs: 1_000, failures: 0, requests: 0 })
})

test('opossum, resilience4j, failsafe-go: a late success from before the trip closes nothing, a late failure opens nothing', async () => {
  const { answered, call, state } = setUp()
  const [early, alsoEarly] = [call(), call()]
  await answered(503)
  await answered(503)
  vi.advanceTimersByTime(1_000)
  const probe = call()
  expect(state().state).toBe('half-open')
  early.attempt.respond(200)
  expect(state().state).toBe('half-open')
  alsoEarly.attempt.respond(503)
  expect(state().state).toBe('half-open')
  await expect(call().result).rejects.toThrow(CircuitBreakerOpenError)
  probe.attempt.respond(200)
  expect(state().state).toBe('closed')
})

test('Polly: a probe that its caller cancels neither closes nor opens the circuit', async () => {
  const { answered, call, state } = setUp()
  await answered(503)
  await answered(503)
  vi.advanceTimersByTime(1_000)
  const controller = new AbortController()
  const { result, attempt } = call(controller.signal)
  attempt.start()
  const { epoch } = state()
  controller.abort()
  await expect(result).rejects.toThrow()
  expect(state()).toMatchObject({ state: 'half-open', epoch })
})

test('Polly: a hung probe does not block half-open for ever', async () => {
  const { answered, call, state } = setUp({ probeTimeoutMs: 20_000 })
  await answered(503)
  await answered(503)
  vi.advanceTimersByTime(1_000)
  const hung = call()
  hung.attempt.start()
  vi.advanceTimersByTime(20_000)
  await expect(hung.result).rejects.toThrow(/the probe of the circuit .* timed out$/)
  vi.advanceTimersByTime(2_000)
  await answered(200)
  expect(state().state).toBe('closed')
})

test('stoplight: a late failure does not flip half-open back, and probes are limited', async () => {
  const { answered, call, server, state } = setUp({ halfOpenMaxAttempts: 2 })
  const late = call()
  await answered(503)
  await answered(503)
  vi.advanceTimersByTime(1_000)
  const calls = Array.from({ length: 20 }, () => call())
  expect(server.attempts).toHaveLength(3 + 2)
  late.attempt.respond(500)
  expect(state().state).toBe('half-open')
  await Promise.allSettled(calls.slice(2).map(({ result }) => result))
})

test('gobreaker: a request longer than the lease of its slot stays what it was, a success', async () => {
  const { answered, call, state } = setUp()
  await answered(503)
  await answered(503)
  vi.advanceTimersByTime(1_000)
  const slow = call()
  slow.attempt.start()
  vi.advanceTimersByTime(120_000)
  slow.attempt.head(200).end()
  expect(await slow.result).toBe(200)
  expect(state().state).toBe('closed')
})

test('interlock: a leaked slot comes back under traffic, and a result of an older round counts nothing in the newer', async () => {
  const { answered, call, state } = setUp({ halfOpenMaxAttempts: 2 })
  await answered(503)
  await answered(503)
  vi.advanceTimersByTime(1_000)
  const first = call()
  call().attempt.respond(503)
  vi.advanceTimersByTime(2_000)
  const second = call()
  expect(state().state).toBe('half-open')
  first.attempt.respond(200)
  expect(state().state).toBe('half-open')
  second.attempt.respond(200)
  await second.result
  expect(state().state).toBe('half-open')
  await answered(200)
  expect(state().state).toBe('closed')
})

test('undici: a 1xx before the final status is no result, an error without a controller is one', async () => {
  const { call, state } = setUp()
  const { attempt, result } = call()
  attempt.start().head(103).head(200).end()
  await result
  expect(state()).toMatchObject({ requests: 1, failures: 0 })
})
