import { AsyncLocalStorage } from 'node:async_hooks'
import { type Dispatcher, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { RateLimitError, ShutdownError } from '../../../src/errors.ts'
import { rateLimit, type RateLimitInterceptorOptions } from '../../../src/rate-limit/interceptor.ts'
import { type LimitRule, LocalLimit } from '../../../src/rate-limit/limit.ts'
import { Limiter, type Waiting } from '../../../src/rate-limit/limiter.ts'
import { LimitRegistry } from '../../../src/rate-limit/registry.ts'
import { channels, type LimitRefusedEvent, type LimitWaitingEvent } from '../../../src/telemetry/channels.ts'
import { systemScheduler } from '../../../src/time/clock.ts'
import { origin, rateLimited } from '../../support/calls/rate-limited.ts'

const tenPerSecond = [{ limit: 10, intervalMs: 1_000 }]

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
    }),
)
afterEach(() => void vi.useRealTimers())

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('a limit', () => {
  test('lets through at once what is within it', async () => {
    const { call, server, state } = rateLimited({ limits: tenPerSecond })
    const calls = Array.from({ length: 10 }, () => call())
    expect(server.attempts).toHaveLength(10)
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 10 }, () => 200))
    expect(state()).toMatchObject({ key: origin, limit: 10, used: 10, held: 0, waiting: 0, degraded: false })
    expect(state().retryAfterMs).toBeGreaterThan(1_000)
  })

  test('lets the others wait, and go in the order in which they came, never too many in any interval', async () => {
    const { call, server, state } = rateLimited({ limits: tenPerSecond })
    const sent: number[] = []
    server.answer = (attempt) => {
      sent.push(performance.now())
      attempt.respond(200)
    }
    const order: number[] = []
    const calls = Array.from({ length: 40 }, (_, at) => call().then(() => order.push(at)))
    expect(state()).toMatchObject({ waiting: 30 })
    await pass(6_000)
    await Promise.all(calls)
    expect(order).toEqual(Array.from({ length: 40 }, (_, at) => at))
    for (const at of sent) {
      expect(sent.filter((other) => other >= at && other < at + 1_000).length).toBeLessThanOrEqual(10)
    }
    // 30 calls at 10 per second and its margin of 50 ms, and a hundredth for the window's parts
    expect(Math.max(...sent)).toBeLessThan(3 * 1_060 + 1_000)
  })

  test('is that of one account: the calls of another go', async () => {
    const { call, server, limit } = rateLimited({ limits: [{ limit: 1, intervalMs: 1_000 }] })
    void call({ token: 'a' })
    void call({ token: 'a' }).catch(() => undefined)
    void call({ token: 'b' })
    expect(server.attempts).toHaveLength(2)
    const keys = limit.limits.list().map(({ key }) => key)
    expect(keys).toHaveLength(2)
    for (const key of keys) expect(key).toMatch(/^http:\/\/api\.test#[0-9a-f]{12}$/)
    await pass(3_000)
  })

  test('belongs to what `key` says', () => {
    const { call, limit } = rateLimited({ limits: tenPerSecond, key: ({ path }) => path.split('?')[0]! })
    void call({ token: 'a' })
    void call({ token: 'b' })
    expect(limit.limits.state('/things')).toMatchObject({ used: 2 })
  })

  test('holds with others: a call goes when all of them have a permit, and takes none when one has not', async () => {
    const { call, server, state } = rateLimited({
      limits: [
        { limit: 100, intervalMs: 10_000 },
        { limit: 5, intervalMs: 1_000 },
      ],
    })
    const calls = Array.from({ length: 8 }, () => call())
    expect(server.attempts).toHaveLength(5)
    expect(state().limits.map(({ used }) => used)).toEqual([5, 5])
    await pass(3_000)
    await Promise.all(calls)
    expect(state().limits[0]).toMatchObject({ limit: 100, used: 8 })
  })

  test('is not needed by a call that is excused from it', () => {
    const { call, server, state } = rateLimited({ limits: [{ limit: 1, intervalMs: 1_000 }] })
    void call()
    void call({ rateLimit: false })
    expect(server.attempts).toHaveLength(2)
    expect(state()).toMatchObject({ used: 1, waiting: 0 })
  })
})

describe('a call that cannot wait so long', () => {
  test('is refused at once, with nothing sent', async () => {
    const refused: LimitRefusedEvent[] = []
    const listener = (event: LimitRefusedEvent) => void refused.push(event)
    channels.limitRefused.subscribe(listener)
    const { call, server, state } = rateLimited({
      limits: [{ limit: 1, intervalMs: 10_000 }],
      maxWaitMs: 5_000,
    })
    void call()
    const error: unknown = await call().catch((thrown: unknown) => thrown)
    channels.limitRefused.unsubscribe(listener)
    expect(error).toBeInstanceOf(RateLimitError)
    expect(error).toMatchObject({
      code: 'ERR_RATE_LIMITED',
      refusedBy: 'limiter',
      statusCode: undefined,
      attempts: 0,
      message: 'default: GET http://api.test/things was not sent: its rate limit is used up',
      url: 'http://api.test/things?token=[redacted]',
    })
    expect((error as RateLimitError).retryAfterMs).toBeGreaterThan(10_000)
    expect((error as RateLimitError).retryAfterMs).toBeLessThan(10_400)
    expect(server.attempts).toHaveLength(1)
    expect(state()).toMatchObject({ used: 1, waiting: 0 })
    expect(refused).toMatchObject([
      { key: origin, refusedBy: 'limiter', integration: 'default', method: 'GET' },
    ])
  })

  test('is refused when as many wait already as may', async () => {
    const { call } = rateLimited({ limits: [{ limit: 1, intervalMs: 1_000 }], maxQueue: 2 })
    void call()
    const waiting = [call(), call()]
    await expect(call()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED', refusedBy: 'limiter' })
    await pass(5_000)
    expect(await Promise.all(waiting)).toEqual([200, 200])
  })

  test('is refused when it has waited as long as it may', async () => {
    const { call, state, settled } = rateLimited({
      limits: [{ limit: 1, intervalMs: 1_000 }],
      maxWaitMs: 1_500,
    })
    void call()
    void call()
    // what is ahead of it takes the permit that it hoped for
    const late = call({ priority: 'background' }).catch((thrown: unknown) => thrown)
    await pass(700)
    const another = call().catch((thrown: unknown) => thrown)
    await pass(900)
    expect(await late).toMatchObject({ code: 'ERR_RATE_LIMITED', refusedBy: 'limiter' })
    await pass(3_000)
    await another
    expect(state()).toMatchObject({ waiting: 0 })
    expect(settled).toHaveLength(4)
  })

  test('is refused at once with maxWaitMs 0', async () => {
    const { call } = rateLimited({ limits: [{ limit: 1, intervalMs: 1_000 }], maxWaitMs: 0 })
    await call()
    await expect(call()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED' })
  })
})

describe('beyond a thousand keys', () => {
  const onceAMinute = { limits: [{ limit: 1, intervalMs: 60_000 }], maxWaitMs: 0 }
  const keyed = (options: RateLimitInterceptorOptions) => {
    const { dispatcher, limit, server } = rateLimited({ key: ({ path }) => path, ...options })
    const call = async (path: string): Promise<number | string> => {
      try {
        const { statusCode, body } = await request(origin + path, { dispatcher })
        await body.dump()
        return statusCode
      } catch (error) {
        return (error as RateLimitError).code
      }
    }
    const callOthers = async (count: number) => {
      for (let index = 0; index < count; index++) await call(`/other/${index}`)
    }
    return { call, callOthers, limits: limit.limits, server }
  }

  test('a limit that is used up stays so, and is forgotten when that is over', async () => {
    const { call, callOthers, limits } = keyed(onceAMinute)
    expect(await call('/hot')).toBe(200)
    await callOthers(1_010)
    expect(await call('/hot')).toBe('ERR_RATE_LIMITED')
    await pass(120_000)
    expect(await call('/new')).toBe(200)
    expect(limits.list().length).toBeLessThanOrEqual(1_000)
    expect(limits.state('/new')).toMatchObject({ used: 1 })
  })

  test('a cool-down lasts, with limits and without', async () => {
    for (const limits of [onceAMinute.limits, []]) {
      const { call, callOthers, server, limits: view } = keyed({ ...onceAMinute, limits })
      server.answer = (attempt) => attempt.respond(429, { 'retry-after': '60' })
      expect(await call('/hot')).toBe(429)
      await callOthers(1_010)
      server.answer = (attempt) => attempt.respond(200)
      expect(await call('/hot')).toBe('ERR_RATE_LIMITED')
      expect(view.state('/hot').coolUntil).toBe(Date.now() + 60_000)
    }
  })

  test('what calls would wait for the shortest goes first where all are in use, so that memory has a bound', () => {
    const store = new LimitRegistry()
    const rule: LimitRule = { limit: 1, intervalMs: 60_000, windowMs: 60_050, reserved: 0, cost: undefined }
    const policy = { limits: [rule], maxQueue: 10, processes: 1 }
    const take = (key: string) => store.limiter(key, policy).passes([1], performance.now(), false)
    void store.cool('long', 300_000)
    for (let index = 0; index < 12_000; index++) expect(take(`other ${index}`)).toBe(true)
    expect(store.list().length).toBeLessThanOrEqual(11_000)
    expect(store.state('long').retryAfterMs).toBe(300_000)
    expect(take('other 11999')).toBe(false)
  })
})

describe('no permit is lost', () => {
  const one = [{ limit: 1, intervalMs: 1_000 }]

  test('when a waiting call is aborted: it leaves the line at once', async () => {
    const { call, state, server } = rateLimited({ limits: one })
    void call()
    const controller = new AbortController()
    const aborted = call({ signal: controller.signal })
    const next = call()
    expect(state()).toMatchObject({ waiting: 2 })
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    expect(state()).toMatchObject({ waiting: 1, used: 1 })
    await pass(1_200)
    expect(await next).toBe(200)
    expect(server.attempts).toHaveLength(2)
  })

  test.each([
    [
      'a connection that was refused',
      Object.assign(new Error('connect'), { code: 'ECONNREFUSED', syscall: 'connect' }),
    ],
    ['an open circuit', Object.assign(new Error('open'), { code: 'ERR_CIRCUIT_OPEN' })],
  ])('after %s: the next goes at once', async (_what, error) => {
    const { call, state, server } = rateLimited({ limits: one }, { byHand: true })
    const first = call()
    const second = call()
    server.attempts[0]!.fail(error)
    await expect(first).rejects.toThrow(error)
    expect(server.attempts).toHaveLength(2)
    server.attempts[1]!.respond(200)
    expect(await second).toBe(200)
    expect(state()).toMatchObject({ used: 1, waiting: 0 })
  })

  test('after an interceptor below that threw', async () => {
    const { call, state, server } = rateLimited({ limits: one })
    server.answer = () => {
      throw new Error('below')
    }
    await expect(call()).rejects.toThrow('below')
    expect(state()).toMatchObject({ used: 0 })
  })

  test('after an abort before a connection took it up', async () => {
    const { call, state, server } = rateLimited({ limits: one }, { byHand: true })
    const controller = new AbortController()
    const aborted = call({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    expect(state()).toMatchObject({ used: 1 })
    // undici hands a connection to it all the same, where our controller aborts it
    server.attempts[0]!.start()
    expect(state()).toMatchObject({ used: 0 })
  })

  test('but one that was sent stays used, whatever came of it', async () => {
    const { call, state, server } = rateLimited({ limits: one }, { byHand: true })
    const lost = call()
    server.attempts[0]!.start().fail(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    await expect(lost).rejects.toThrow('reset')
    expect(state()).toMatchObject({ used: 1 })
  })

  test('nor used for calls that an open circuit will refuse', async () => {
    const { call, state, server, settled } = rateLimited({ limits: one })
    server.answer = (attempt) => attempt.fail(Object.assign(new Error('open'), { code: 'ERR_CIRCUIT_OPEN' }))
    for (let index = 0; index < 5; index++) await call().catch(() => undefined)
    expect(state()).toMatchObject({ used: 0, waiting: 0 })
    expect(settled).toHaveLength(5)
    // one that the circuit lets through after all is counted
    server.answer = (attempt) => attempt.respond(200)
    await call()
    expect(state()).toMatchObject({ used: 1 })
    void call().catch(() => undefined)
    expect(state()).toMatchObject({ waiting: 1 })
    await pass(2_000)
  })

  test('and close() ends the waits with a ShutdownError', async () => {
    const { call, limit, state } = rateLimited({ limits: one })
    void call()
    const waiting = call()
    await limit.close()
    await expect(waiting).rejects.toBeInstanceOf(ShutdownError)
    expect(state()).toMatchObject({ waiting: 0, used: 1 })
    await expect(call()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED' })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a handler of a caller that throws, told of the error of its call', () => {
  let uncaught: unknown[]
  let listeners: NodeJS.UncaughtExceptionListener[]
  beforeEach(() => {
    uncaught = []
    listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => void uncaught.push(error))
  })
  afterEach(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  })

  const thrown = new Error('of the handler')
  const throwing: Dispatcher.DispatchHandler = {
    onRequestStart: () => undefined,
    onResponseStart: () => undefined,
    onResponseData: () => undefined,
    onResponseEnd: () => undefined,
    onResponseError: () => {
      throw thrown
    },
  }
  const options = { origin, path: '/things', method: 'GET' } as const
  const settle = () => new Promise((resolve) => setImmediate(resolve))

  test('when it was let go holds up nobody behind it', async () => {
    const rule: LimitRule = { limit: 1, intervalMs: 1_000, windowMs: 1_050, reserved: 0, cost: undefined }
    const limiter = new Limiter(origin, () => [new LocalLimit(rule)], 10, systemScheduler)
    const went: string[] = []
    const waiting = (name: string, go: () => void = () => undefined): Waiting => ({
      inLine: false,
      previousInLine: undefined,
      nextInLine: undefined,
      units: [1],
      background: false,
      waitsUntil: Infinity,
      release: () => {
        went.push(name)
        go()
      },
      refuse: () => undefined,
    })
    limiter.join(
      waiting('one', () => {
        throw thrown
      }),
    )
    limiter.join(waiting('two'))
    await pass(1_200)
    await settle()
    expect(uncaught).toEqual([thrown])
    expect(went).toEqual(['one', 'two'])
  })

  test('when a cool-down refuses it keeps that from nobody, nor from who was refused by the provider', async () => {
    const { call, dispatcher, limit, state } = rateLimited({
      limits: [{ limit: 1, intervalMs: 1_000 }],
      maxWaitMs: 5_000,
    })
    await call()
    dispatcher.dispatch(options, throwing)
    const other = call().catch((error: unknown) => error)
    await limit.limits.cool(origin, 60_000)
    await settle()
    expect(uncaught).toEqual([thrown])
    expect(state()).toMatchObject({ waiting: 0 })
    expect(await other).toMatchObject({ refusedBy: 'provider' })
  })
})

describe('background calls', () => {
  test('leave a reserve for live ones, and go behind them', async () => {
    const { call, server, state } = rateLimited({ limits: tenPerSecond, reserve: 0.3 })
    const background = Array.from({ length: 12 }, () => call({ priority: 'background' }))
    expect(server.attempts).toHaveLength(7)
    const live = Array.from({ length: 3 }, () => call())
    expect(server.attempts).toHaveLength(10)
    expect(state()).toMatchObject({ waiting: 5 })
    const order: string[] = []
    void background.at(-1)!.then(() => order.push('background'))
    void call().then(() => order.push('live'))
    await pass(4_000)
    await Promise.all([...background, ...live])
    expect(order).toEqual(['live', 'background'])
  })
})

describe('costs', () => {
  const tokens = (cost: (request: unknown, answer?: { headers: Record<string, unknown> }) => number) => [
    { limit: 100, intervalMs: 1_000, cost: cost as never },
  ]

  test('are taken before the attempt, and corrected by what its answer says', async () => {
    const { call, server, state } = rateLimited(
      {
        limits: tokens((_request, answer) => (answer === undefined ? 30 : Number(answer.headers['x-cost']))),
      },
      { byHand: true },
    )
    const calls = [call(), call()]
    expect(state()).toMatchObject({ used: 60 })
    server.attempts[0]!.respond(200, { 'x-cost': '10' })
    expect(state()).toMatchObject({ used: 40 })
    server.attempts[1]!.respond(200, { 'x-cost': '55' })
    expect(state()).toMatchObject({ used: 65 })
    await Promise.all(calls)
  })

  test('beyond the limit count as the limit, and a hook that throws as 1', async () => {
    const { call, state } = rateLimited({ limits: tokens(() => 1_000) })
    await call()
    expect(state()).toMatchObject({ used: 100 })
    const warned = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
    const throwing = rateLimited({
      limits: tokens(() => {
        throw new Error('no')
      }),
    })
    await throwing.call()
    expect(throwing.state()).toMatchObject({ used: 1 })
    expect(warned).toHaveBeenCalled()
    warned.mockRestore()
  })

  test('of nothing are not waited for, whatever the others have used', async () => {
    let units = 1
    const { call, server, limit } = rateLimited({
      limits: [{ limit: 20, intervalMs: 1_000, cost: () => units }],
    })
    for (let index = 0; index < 17; index++) await call()
    units = 0
    // beyond what background calls leave
    await call({ priority: 'background' })
    expect(server.attempts).toHaveLength(18)
    // nor by the pace at which others go on after a wait
    await limit.limits.cool(origin, 20)
    const waiting = call()
    await pass(22)
    expect(server.attempts).toHaveLength(19)
    expect(await waiting).toBe(200)
  })

  test('let a large call go though it is more than its share of a tenth', async () => {
    const { call } = rateLimited({ limits: tokens(() => 90) })
    const calls = [call(), call()]
    await pass(2_000)
    expect(await Promise.all(calls)).toEqual([200, 200])
  })
})

describe('what the provider says is left', () => {
  test.each([
    [{ 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '3' }, 7],
    [{ ratelimit: '"default";r=3;t=1', 'ratelimit-policy': '"default";q=10;w=1' }, 7],
    [{ 'x-ratelimit-remaining': '3' }, 7],
    // another limit of the provider's: by day
    [{ 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '3' }, 1],
    [{ 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': 'many' }, 1],
    // a new window of its own
    [{ 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '10' }, 1],
    [{ 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '-5' }, 1],
  ])('%o makes strangers known', async (headers, used) => {
    const { call, server, state } = rateLimited({ limits: tenPerSecond })
    server.answer = (attempt) => attempt.respond(200, headers as never)
    await call()
    expect(state()).toMatchObject({ used })
  })

  test('may be read by a hook', async () => {
    const { call, server, state } = rateLimited({
      limits: tenPerSecond,
      readLimits: (headers) => [{ remaining: 10 - Number(headers['x-used']) }],
    })
    server.answer = (attempt) => attempt.respond(200, { 'x-used': '9' })
    await call()
    expect(state()).toMatchObject({ used: 9 })
  })
})

test('a call that waits tells so, in its own async context, and goes in it', async () => {
  const tenant = new AsyncLocalStorage<string>()
  const told: (string | undefined)[] = []
  const sent: (string | undefined)[] = []
  const waiting: LimitWaitingEvent[] = []
  const listener = (event: LimitWaitingEvent) => {
    told.push(tenant.getStore())
    waiting.push(event)
  }
  channels.limitWaiting.subscribe(listener)
  const { call, server } = rateLimited({ limits: [{ limit: 1, intervalMs: 1_000 }] })
  server.answer = (attempt) => {
    sent.push(tenant.getStore())
    attempt.respond(200)
  }
  const calls = ['a', 'b', 'c'].map((name) => tenant.run(name, () => call()))
  await pass(5_000)
  await Promise.all(calls)
  channels.limitWaiting.unsubscribe(listener)
  expect(told).toEqual(['b', 'c'])
  expect(sent).toEqual(['a', 'b', 'c'])
  expect(waiting[1]!.retryAfterMs).toBeGreaterThan(waiting[0]!.retryAfterMs)
})

describe('options', () => {
  test.each([
    [{ limits: [{ limit: 0, intervalMs: 1_000 }] }, '`limits[0].limit` must be an integer >= 1, got 0'],
    [
      { limits: [{ limit: 5, intervalMs: 10 }] },
      '`limits[0].intervalMs` must be an integer >= 100 and <= 86400000, got 10',
    ],
    [{ limits: { limit: 5, intervalMs: 1_000 } }, '`limits` must be an array, got an object'],
    [{ maxQueue: 0 }, '`maxQueue` must be an integer >= 1, got 0'],
    [{ reserve: 2 }, '`reserve` must be a number >= 0 and <= 1, got 2'],
    [{ cooldown: 1 }, '`cooldown` must be true or false, got 1'],
    [{ integration: 'x'.repeat(300) }, '`integration` must have at most 256 characters, got 300'],
    [{ store: {} }, '`store.limits` must be a LimitStore, got a value without `limiter`'],
  ])('%o is refused', (options, message) => {
    expect(() => rateLimit(options as never)).toThrow(message)
  })

  test('a misspelt name of a limit is refused', () => {
    expect(() => rateLimit({ limits: [{ limit: 5, interval: 1_000 } as never] })).toThrow(/interval/)
  })
})
