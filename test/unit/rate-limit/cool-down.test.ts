import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { CallRequest } from '../../../src/call/call-request.ts'
import type { Classify } from '../../../src/classification/options.ts'
import { RateLimitError, ShutdownError } from '../../../src/errors.ts'
import { resilience, type ResilienceOptions } from '../../../src/resilience.ts'
import { channels, type CooldownStartedEvent } from '../../../src/telemetry/channels.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { origin, rateLimited } from '../../support/calls/rate-limited.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
    }),
)
afterEach(() => void vi.useRealTimers())

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('a cool-down', () => {
  test.each([
    ['a 429 with Retry-After', 429, { 'retry-after': '2' }],
    ['a 503 with Retry-After', 503, { 'retry-after': '2' }],
    ['a 429 that says when its limit is renewed', 429, { 'x-ratelimit-reset': '2' }],
  ])('begins with %s: the next call waits until then', async (_what, status, headers) => {
    const { call, server, state } = rateLimited({}, { byHand: true })
    const first = call()
    server.attempts[0]!.respond(status, headers)
    expect(await first).toBe(status)
    expect(state()).toMatchObject({ key: origin, retryAfterMs: 2_000, coolUntil: Date.now() + 2_000 })
    const second = call()
    await pass(1_999)
    expect(server.attempts).toHaveLength(1)
    await pass(2)
    expect(server.attempts).toHaveLength(2)
    server.attempts[1]!.respond(200)
    expect(await second).toBe(200)
  })

  test.each([
    ['a 503 that asks for nothing', 503, {}],
    ['a 429 that asks for nothing', 429, {}],
    ['a 503 that says when its limit is renewed', 503, { 'x-ratelimit-reset': '2' }],
    ['a 500 with Retry-After', 500, { 'retry-after': '2' }],
  ])('does not begin with %s', async (_what, status, headers) => {
    const { call, server } = rateLimited()
    server.answer = (attempt) => attempt.respond(status, headers)
    await call()
    await call()
    expect(server.attempts).toHaveLength(2)
  })

  test('does not begin where it is turned off', async () => {
    const { call, server } = rateLimited({ cooldown: false })
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    await call()
    await call()
    expect(server.attempts).toHaveLength(2)
  })

  test('lets nobody wait who cannot wait so long: refused by the provider', async () => {
    const { call, server } = rateLimited({ maxWaitMs: 1_000 })
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    await call()
    const error: unknown = await call().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(RateLimitError)
    expect(error).toMatchObject({ refusedBy: 'provider', retryAfterMs: 2_000 })
    expect(server.attempts).toHaveLength(1)
  })

  test('that becomes longer than those who wait may wait refuses them at once', async () => {
    const { call, server, settled } = rateLimited({ maxWaitMs: 3_000 }, { byHand: true })
    const calls = [call(), call()]
    server.attempts[0]!.respond(429, { 'retry-after': '2' })
    const waiting = call().catch((error: unknown) => error)
    await pass(500)
    expect(settled).toEqual([429])
    server.attempts[1]!.respond(429, { 'retry-after': '60' })
    expect(await waiting).toMatchObject({ refusedBy: 'provider', retryAfterMs: 60_000 })
    await Promise.all(calls)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is at most maxCooldownMs', async () => {
    const { call, server, state } = rateLimited({ maxCooldownMs: 5_000, maxWaitMs: 0 })
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '86400' })
    await call()
    expect(state().retryAfterMs).toBe(5_000)
  })

  test('holds the calls of a key that a hook made, whatever is in it', async () => {
    const { call, server } = rateLimited({ key: ({ origin: at }) => `${at}#tenant-7`, maxWaitMs: 0 })
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '60' })
    await call()
    await expect(call()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED', refusedBy: 'provider' })
    expect(server.attempts).toHaveLength(1)
  })

  test('is that of one account: calls with other credentials go', async () => {
    const { call, server } = rateLimited()
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    await call({ token: 'a' })
    server.answer = (attempt) => attempt.respond(200)
    const same = call({ token: 'a' })
    expect(await call({ token: 'b' })).toBe(200)
    expect(await call()).toBe(200)
    expect(server.attempts).toHaveLength(3)
    await pass(2_100)
    expect(await same).toBe(200)
  })

  test('is over for the healthy path 10 s after it: nothing is asked for any more', async () => {
    const { call, server, limit } = rateLimited()
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '1' })
    await call()
    server.answer = (attempt) => attempt.respond(200)
    await pass(1_100)
    await call()
    expect(limit.limits.list()).toHaveLength(1)
    await pass(12_000)
    await call()
    expect(limit.limits.list()).toHaveLength(0)
  })

  test('is come back from at a rate, not all at once', async () => {
    const { call, server } = rateLimited()
    // 20 per second
    for (let index = 0; index < 40; index++) {
      void call()
      await pass(50)
    }
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    await call()
    const sent: number[] = []
    server.answer = (attempt) => {
      sent.push(performance.now())
      attempt.respond(200)
    }
    const ends = performance.now() + 2_000
    const calls = Array.from({ length: 60 }, () => call())
    await pass(10_000)
    expect(await Promise.all(calls)).toEqual(calls.map(() => 200))
    expect(Math.min(...sent)).toBeGreaterThanOrEqual(ends)
    const firstSecond = sent.filter((at) => at < ends + 1_000).length
    expect(firstSecond).toBeGreaterThanOrEqual(12)
    expect(firstSecond).toBeLessThanOrEqual(18)
  })

  test('holds back calls that have a permit too', async () => {
    const { call, server } = rateLimited({ limits: [{ limit: 100, intervalMs: 1_000 }] })
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    await call()
    server.answer = (attempt) => attempt.respond(200)
    const waiting = call()
    await pass(1_990)
    expect(server.attempts).toHaveLength(1)
    await pass(20)
    expect(await waiting).toBe(200)
  })

  test('is told once, when it begins', async () => {
    const told: CooldownStartedEvent[] = []
    const listener = (event: CooldownStartedEvent) => void told.push(event)
    channels.cooldownStarted.subscribe(listener)
    const { call, server } = rateLimited({}, { byHand: true })
    const calls = [call(), call()]
    server.attempts[0]!.respond(429, { 'retry-after': '2' })
    server.attempts[1]!.respond(429, { 'retry-after': '3' })
    await Promise.all(calls)
    channels.cooldownStarted.unsubscribe(listener)
    expect(told).toEqual([{ key: origin, retryAfterMs: 2_000, statusCode: 429, here: true }])
  })

  test('ends the wait of a call by abort and by close()', async () => {
    const { call, server, limit, state } = rateLimited()
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    await call()
    const controller = new AbortController()
    const aborted = call({ signal: controller.signal })
    const closed = call()
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    void limit.close()
    await expect(closed).rejects.toBeInstanceOf(ShutdownError)
    expect(state()).toMatchObject({ waiting: 0 })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('an operator', () => {
  test('lets a key cool, and ends that', async () => {
    const { call, server, limit, state } = rateLimited()
    await limit.limits.cool(origin, 60_000)
    expect(state()).toMatchObject({ retryAfterMs: 60_000 })
    await expect(call()).rejects.toMatchObject({ refusedBy: 'provider', retryAfterMs: 60_000 })
    await limit.limits.cool(origin, 10_000)
    expect(state()).toMatchObject({ retryAfterMs: 60_000 })
    await limit.limits.clear(origin)
    expect(await call()).toBe(200)
    expect(server.attempts).toHaveLength(1)
  })

  test('lets a whole origin cool, whatever the credentials', async () => {
    const { call, limit } = rateLimited()
    await call({ token: 'a' })
    await limit.limits.cool(origin, 60_000)
    await expect(call({ token: 'a' })).rejects.toMatchObject({ refusedBy: 'provider' })
    await expect(call({ token: 'b' })).rejects.toMatchObject({ refusedBy: 'provider' })
    await limit.limits.clear(origin)
    expect(await call({ token: 'a' })).toBe(200)
    expect(await call({ token: 'b' })).toBe(200)
  })

  test('may spell an origin in another way than calls do', async () => {
    const { call, limit, state } = rateLimited()
    await limit.limits.cool(`${origin.toUpperCase()}:80/`, 60_000)
    expect([state(), limit.limits.state(`${origin}/`)]).toMatchObject([
      { key: origin, retryAfterMs: 60_000 },
      { key: origin, retryAfterMs: 60_000 },
    ])
    await expect(call()).rejects.toMatchObject({ refusedBy: 'provider' })
    await limit.limits.clear(`${origin}/`)
    expect(await call()).toBe(200)
  })

  test('wakes those who wait when it ends', async () => {
    const { call, limit } = rateLimited()
    await limit.limits.cool(origin, 20_000)
    const waiting = call()
    await pass(1_000)
    await limit.limits.clear(origin)
    expect(await waiting).toBe(200)
  })

  test('is told what is wrong', () => {
    const { limit } = rateLimited()
    expect(() => limit.limits.cool(origin, 0)).toThrow('`ms` must be an integer >= 1')
    expect(() => limit.limits.cool('', 10)).toThrow('`key` must be a non-empty string')
  })
})

describe('in the stack', () => {
  function stacked(options: ResilienceOptions = {}) {
    const stack = resilience(options)
    const server = new ScriptedDispatcher()
    const dispatcher = server.compose(stack)
    const call = async () => {
      const { statusCode, body } = await request(`${origin}/things`, { dispatcher })
      await body.text()
      return statusCode
    }
    return { stack, server, call }
  }

  test('a 429 is waited for by its own call, and by all others, and nobody sends before', async () => {
    const { server, call } = stacked({ retry: { initialBackoffMs: 1, jitter: 'none' } })
    const sent: number[] = []
    let refused = false
    server.answer = (attempt) => {
      sent.push(performance.now())
      if (refused) return attempt.respond(200)
      refused = true
      attempt.respond(429, { 'retry-after': '2' })
    }
    const start = performance.now()
    const calls = Array.from({ length: 5 }, () => call())
    await pass(8_000)
    expect(await Promise.all(calls)).toEqual([200, 200, 200, 200, 200])
    expect(sent).toHaveLength(6)
    for (const at of sent.slice(1)) expect(at - start).toBeGreaterThanOrEqual(2_000)
  })

  test('a refused call is not retried, counts against no circuit, and is kept with the time to come back', async () => {
    const { stack, server, call } = stacked({ rateLimit: { maxWaitMs: 500 }, retry: { initialBackoffMs: 1 } })
    server.answer = (attempt) => attempt.respond(503, { 'retry-after': '70' })
    const before = Date.now()
    expect(await call()).toBe(503)
    const error: unknown = await call().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ERR_RATE_LIMITED', refusedBy: 'provider', attempts: 0 })
    expect(server.attempts).toHaveLength(1)
    expect(stack.circuits.state(origin)).toMatchObject({ failures: 1, requests: 1 })
    const letters = await stack.deadLetters.list()
    const refused = letters.items.find(({ id }) => id === (error as RateLimitError).deadLetterId)
    expect(refused).toMatchObject({ reason: 'rate-limited', delivery: 'not-sent', attempts: 0, history: [] })
    expect(refused!.notBefore).toBeGreaterThanOrEqual(before + 69_000)
    expect(refused!.notBefore).toBeLessThanOrEqual(before + 71_000)
  })

  test('is kept with its reason without retries as well', async () => {
    const { stack, server, call } = stacked({ rateLimit: { maxWaitMs: 500 }, retry: false })
    server.answer = (attempt) => attempt.respond(503, { 'retry-after': '70' })
    await call()
    const error = await call().catch((thrown: unknown) => thrown as RateLimitError)
    const letters = await stack.deadLetters.list()
    const refused = letters.items.find(({ id }) => id === (error as RateLimitError).deadLetterId)
    expect(refused).toMatchObject({ reason: 'rate-limited', delivery: 'not-sent' })
    expect(refused!.notBefore).toBeDefined()
  })

  test('the total timeout ends a wait, and what does not fit into it is not waited for', async () => {
    const { server, call } = stacked({ totalTimeoutMs: 3_000, retry: false })
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    await call()
    server.answer = undefined
    const inTime = call().catch((error: unknown) => error)
    await pass(1_500)
    await pass(600)
    expect(server.attempts).toHaveLength(2)
    await pass(1_000)
    expect(await inTime).toMatchObject({ code: 'ERR_TIMEOUT', scope: 'call' })
    const { server: other, call: callOther } = stacked({ totalTimeoutMs: 1_000, retry: false })
    other.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    await callOther()
    await expect(callOther()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED', refusedBy: 'provider' })
  })

  test('a wait is in no attempt timeout, and makes no call slow', async () => {
    const { stack, server, call } = stacked({
      attemptTimeoutMs: 500,
      circuitBreaker: { slowCallMs: 300 },
      rateLimit: { limits: [{ limit: 1, intervalMs: 1_000 }] },
    })
    server.answer = (attempt) => attempt.respond(200)
    const calls = [call(), call(), call()]
    await pass(4_000)
    expect(await Promise.all(calls)).toEqual([200, 200, 200])
    expect(stack.circuits.state(origin)).toMatchObject({ state: 'closed', failures: 0 })
  })

  test('close() ends the waits, and keeps those calls', async () => {
    const { stack, server, call } = stacked()
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '20' })
    await stack.limits.cool(origin, 20_000)
    const waiting = call().catch((error: unknown) => error)
    await stack.close()
    expect(await waiting).toMatchObject({ code: 'ERR_SHUTDOWN' })
    expect(await stack.deadLetters.list()).toMatchObject({
      items: [{ reason: 'shutdown', delivery: 'not-sent' }],
    })
    expect(server.attempts).toHaveLength(0)
  })

  test('is that of the key under which the call went, though its body can be read only after it was sent', async () => {
    const key = vi.fn(({ path, body }: CallRequest) => (body === undefined ? path : `${path}/with-body`))
    const requests = new Set<CallRequest>()
    const cost = (asked: CallRequest) => {
      requests.add(asked)
      return asked.body === undefined ? 0 : 1
    }
    const stack = resilience({
      rateLimit: { key, limits: [{ limit: 1, intervalMs: 1_000, cost }] },
      retry: { maxAttempts: 1 },
    })
    const server = new ScriptedDispatcher()
    const dispatcher = server.compose(stack)
    const post = async () => {
      const body = Readable.from(['text'])
      const { statusCode, body: answer } = await request(`${origin}/things`, {
        method: 'POST',
        body,
        dispatcher,
      })
      await answer.text()
      return statusCode
    }
    const first = post()
    server.attempts[0]!.start()
    expect(await text(server.attempts[0]!.options.body as Readable)).toBe('text')
    server.attempts[0]!.head(429, { 'retry-after': '4' }).end()
    expect(await first).toBe(429)
    expect(key).toHaveBeenCalledTimes(1)
    expect(stack.limits.list()).toMatchObject([{ key: '/things', retryAfterMs: 4_000 }])
    // who looks for what it read before can: it is one object of the call
    expect(requests.size).toBe(1)
    const second = post()
    await pass(3_990)
    expect(server.attempts).toHaveLength(1)
    await pass(20)
    server.attempts[1]!.respond(200)
    expect(await second).toBe(200)
  })

  test('rateLimit: false holds nobody back', async () => {
    const { server, call } = stacked({ rateLimit: false, retry: false })
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '20' })
    expect(await call()).toBe(429)
    expect(await call()).toBe(429)
  })

  const limits = [{ limit: 5, intervalMs: 1_000 }]
  test.each<[string, ResilienceOptions, { retry?: false }]>([
    ['without retries', { retry: false }, {}],
    ['of a call without retries', {}, { retry: false }],
    ['whose last attempt it is', { retry: { maxAttempts: 1 } }, {}],
    ['under limits', { rateLimit: { limits }, retry: { maxAttempts: 1 } }, {}],
    ['that only `classify` understands', { retry: { maxAttempts: 1 }, classify: limitedAt200 }, {}],
  ])('an answer %s begins one cool-down', async (_which, options, callOptions) => {
    const { stack, server, call } = stacked(options)
    const told: unknown[] = []
    const listener = (event: CooldownStartedEvent) => void told.push(event)
    channels.cooldownStarted.subscribe(listener)
    const status = options.classify === undefined ? 429 : 200
    server.answer = (attempt) => attempt.respond(status, { 'retry-after': '2' })
    expect(await withCallOptions(callOptions, call)).toBe(status)
    channels.cooldownStarted.unsubscribe(listener)
    expect(told).toEqual([{ key: origin, retryAfterMs: 2_000, statusCode: status, here: true }])
    expect(stack.limits.state(origin).retryAfterMs).toBe(2_000)
  })

  test('an answer to a call that keeps to no limits begins no cool-down', async () => {
    const { stack, server, call } = stacked({ retry: { maxAttempts: 1 } })
    server.answer = (attempt) => attempt.respond(429, { 'retry-after': '2' })
    expect(await withCallOptions({ rateLimit: false }, call)).toBe(429)
    expect(stack.limits.state(origin).retryAfterMs).toBe(0)
  })
})

function limitedAt200(): ReturnType<Classify> {
  return { kind: 'rate-limited', retryAfterMs: 2_000 }
}
