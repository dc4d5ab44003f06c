import { type Dispatcher, MockAgent, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  circuitBreaker,
  type CircuitBreakerInterceptorOptions,
  type CircuitStoreChange,
} from '../../../src/circuit/interceptor.ts'
import { CircuitBreakerOpenError, RequestTimeoutError } from '../../../src/errors.ts'
import { memoryCircuits } from '../../../src/stores/memory/circuits.ts'
import { channels, type CircuitChangedEvent } from '../../../src/telemetry/channels.ts'
import { ScriptedDispatcher } from '../../support/calls/scripted-dispatcher.ts'

const origin = 'http://api.test'
const url = `${origin}/things?token=s3cret`

function setUp(options: CircuitBreakerInterceptorOptions = {}) {
  const breaker = circuitBreaker({ failureThreshold: 3, timeoutMs: 1_000, maxWaitMs: 0, ...options })
  const server = new ScriptedDispatcher()
  const dispatcher = server.compose(breaker)
  const call = (signal?: AbortSignal) => {
    const result = request(url, { dispatcher, ...(signal === undefined ? {} : { signal }) }).then(
      async ({ statusCode, body }) => {
        await body.text()
        return statusCode
      },
    )
    // a test may look at the result later than it comes
    result.catch(() => undefined)
    return result
  }
  const answered = async (statusCode: number) => {
    const result = call()
    server.attempts.at(-1)!.respond(statusCode)
    return result
  }
  const trip = async () => {
    for (let index = 0; index < 3; index++) await answered(503)
    expect(breaker.circuits.state(origin).state).toBe('open')
  }
  return { breaker, server, call, answered, trip, state: () => breaker.circuits.state(origin) }
}

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    }),
)
afterEach(() => void vi.useRealTimers())

describe('closed', () => {
  test('lets responses through as they are, failures included', async () => {
    const { answered, state } = setUp()
    expect(await answered(503)).toBe(503)
    expect(await answered(200)).toBe(200)
    expect(state()).toMatchObject({ state: 'closed', failures: 1, requests: 2, degraded: false })
  })

  test('counts network errors and 5xx, but not 429 and other 4xx', async () => {
    const { answered, call, server, state } = setUp({ failureThreshold: 10 })
    for (const status of [429, 404, 400, 200, 301]) await answered(status)
    expect(state()).toMatchObject({ failures: 0, requests: 5 })
    await answered(500)
    const result = call()
    server.attempts.at(-1)!.fail(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
    await expect(result).rejects.toThrow('refused')
    expect(state()).toMatchObject({ failures: 2, requests: 7 })
  })

  test('an informational response is no result', async () => {
    const { call, server, state } = setUp()
    const result = call()
    server.attempts[0]!.start().head(103)
    expect(state().requests).toBe(0)
    server.attempts[0]!.head(503).end()
    await result
    expect(state()).toMatchObject({ requests: 1, failures: 1 })
  })

  test('records at the headers, and a failure also when the body then breaks', async () => {
    const { call, server, state } = setUp()
    for (let index = 0; index < 3; index++) {
      const result = call()
      server.attempts.at(-1)!.start().head(200)
      expect(state().requests).toBe(index + 1)
      server.attempts.at(-1)!.fail(Object.assign(new Error('cut'), { code: 'UND_ERR_SOCKET' }))
      await expect(result).rejects.toThrow('cut')
    }
    expect(state().state).toBe('open')
  })

  test('a cancellation by the caller counts nothing, before and after the headers', async () => {
    const { call, server, state } = setUp({ failureThreshold: 1 })
    for (const headersFirst of [false, true]) {
      const controller = new AbortController()
      const result = call(controller.signal)
      const attempt = server.attempts.at(-1)!.start()
      if (headersFirst) attempt.head(200)
      controller.abort()
      await expect(result).rejects.toThrow()
    }
    expect(state()).toMatchObject({ state: 'closed', failures: 0, requests: 1 })
  })

  test('errors that say nothing of the server count nothing: a closed dispatcher, a bad argument, a circuit within', async () => {
    const { call, server, state } = setUp({ failureThreshold: 1 })
    for (const code of ['UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'UND_ERR_INVALID_ARG', 'ERR_CIRCUIT_OPEN']) {
      const result = call()
      server.attempts.at(-1)!.fail(Object.assign(new Error(code), { code }))
      await expect(result).rejects.toThrow(code)
    }
    expect(state()).toMatchObject({ state: 'closed', failures: 0, requests: 0 })
  })

  test('slow responses open it where they count', async () => {
    const { call, server, state } = setUp({ slowCallMs: 200, slowCallRate: 1, minimumRequests: 2 })
    for (let index = 0; index < 2; index++) {
      const result = call()
      vi.advanceTimersByTime(200)
      server.attempts.at(-1)!.respond(200)
      await result
    }
    expect(state().state).toBe('open')
  })
})

describe('open', () => {
  test('refuses at once, with an error that says what, which and when, and dispatches nothing', async () => {
    const { call, server, trip } = setUp({ integration: 'hubspot' })
    await trip()
    vi.advanceTimersByTime(400)
    const error = await call().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CircuitBreakerOpenError)
    expect(error).toMatchObject({
      code: 'ERR_CIRCUIT_OPEN',
      key: origin,
      retryAfterMs: 600,
      integration: 'hubspot',
      method: 'GET',
      attempts: 0,
    })
    expect((error as CircuitBreakerOpenError).url).toBe(`${origin}/things?token=[redacted]`)
    expect(server.attempts).toHaveLength(3)
  })

  test('keeps origins apart, and puts together what `key` puts together', async () => {
    const { breaker, trip } = setUp()
    await trip()
    const other = new MockAgent()
    other.disableNetConnect()
    other.get('http://other.test').intercept({ path: '/' }).reply(200, 'ok')
    const { statusCode } = await request('http://other.test/', { dispatcher: other.compose(breaker) })
    expect(statusCode).toBe(200)

    const tenants = setUp({ key: ({ path }) => path.split('/')[1] ?? '' })
    await tenants.answered(503)
    expect(tenants.breaker.circuits.list()).toMatchObject([{ key: 'things?token=s3cret', failures: 1 }])
  })

  test('a `key` or `isFailure` that throws falls back to the default, and says so', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const boom = (): never => {
      throw new Error('boom')
    }
    const { answered, state } = setUp({ key: boom, isFailure: boom })
    await answered(503)
    expect(state()).toMatchObject({ failures: 1, requests: 1 })
    expect(warn.mock.calls.map(([message]) => String(message))).toEqual([
      '`key` threw: Error: boom',
      '`isFailure` threw: Error: boom',
    ])
    warn.mockRestore()
  })

  test('`isFailure` decides about responses and errors', async () => {
    const { answered, state } = setUp({
      isFailure: (outcome) => outcome.kind === 'response' && outcome.statusCode === 404,
    })
    await answered(404)
    await answered(503)
    expect(state()).toMatchObject({ failures: 1, requests: 2 })
  })
})

describe('half-open', () => {
  test('lets as many probes through as allowed, refuses the rest, and closes when they succeed', async () => {
    const { call, server, trip, state } = setUp()
    await trip()
    vi.advanceTimersByTime(1_000)
    const probes = [call(), call()]
    expect(state().state).toBe('half-open')
    await expect(call()).rejects.toThrow('is half-open and its probes are under way')
    expect(server.attempts).toHaveLength(5)
    server.attempts[3]!.respond(200)
    expect(state().state).toBe('half-open')
    server.attempts[4]!.respond(204)
    expect(state().state).toBe('closed')
    expect(await Promise.all(probes)).toEqual([200, 204])
  })

  test('opens again for twice as long when a probe fails', async () => {
    const { call, server, trip, state } = setUp()
    await trip()
    vi.advanceTimersByTime(1_000)
    const probe = call()
    server.attempts.at(-1)!.respond(500)
    await probe
    expect(state()).toMatchObject({ state: 'open', retryAfterMs: 2_000 })
  })

  test('a probe that the caller cancels gives its slot back at once', async () => {
    const { call, server, trip, state } = setUp({ halfOpenMaxAttempts: 1 })
    await trip()
    vi.advanceTimersByTime(1_000)
    const controller = new AbortController()
    const probe = call(controller.signal)
    server.attempts.at(-1)!.start()
    controller.abort()
    await expect(probe).rejects.toThrow()
    expect(state().state).toBe('half-open')
    const next = call()
    server.attempts.at(-1)!.respond(200)
    expect(await next).toBe(200)
    expect(state().state).toBe('closed')
  })

  test('a probe that is not taken up by a connection and then aborted gives its slot back too', async () => {
    const { call, server, trip, state } = setUp({ halfOpenMaxAttempts: 1 })
    await trip()
    vi.advanceTimersByTime(1_000)
    const controller = new AbortController()
    const probe = call(controller.signal)
    controller.abort()
    await expect(probe).rejects.toThrow()
    const next = call()
    expect(server.attempts).toHaveLength(5)
    server.attempts.at(-1)!.respond(200)
    await next
    expect(state().state).toBe('closed')
  })

  test('a hung probe is aborted after `probeTimeoutMs`, has failed, and keeps its slot until then', async () => {
    const { call, server, trip, state } = setUp({ halfOpenMaxAttempts: 1, probeTimeoutMs: 60_000 })
    await trip()
    vi.advanceTimersByTime(1_000)
    const probe = call()
    const attempt = server.attempts.at(-1)!.start()
    vi.advanceTimersByTime(59_999)
    await expect(call()).rejects.toThrow(CircuitBreakerOpenError)
    vi.advanceTimersByTime(1)
    const error = await probe.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(RequestTimeoutError)
    expect(error).toMatchObject({ scope: 'attempt', timeoutMs: 60_000 })
    expect(attempt.aborted).toBe(error)
    expect(state()).toMatchObject({ state: 'open', retryAfterMs: 2_000 })
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a slow probe counts as failed where slow calls count', async () => {
    const { call, server, trip, state } = setUp({ slowCallMs: 100 })
    await trip()
    vi.advanceTimersByTime(1_000)
    const probe = call()
    vi.advanceTimersByTime(100)
    server.attempts.at(-1)!.respond(200)
    expect(await probe).toBe(200)
    expect(state().state).toBe('open')
  })

  test('a probe on a dispatcher that was closed meanwhile closes nothing and gives its slot back', async () => {
    const { call, server, trip, state } = setUp({ halfOpenMaxAttempts: 1 })
    await trip()
    vi.advanceTimersByTime(1_000)
    const probe = call()
    server.attempts.at(-1)!.fail(Object.assign(new Error('closed'), { code: 'UND_ERR_CLOSED' }))
    await expect(probe).rejects.toThrow('closed')
    expect(state().state).toBe('half-open')
    const next = call()
    server.attempts.at(-1)!.respond(200)
    expect(await next).toBe(200)
    expect(state().state).toBe('closed')
  })

  test('a probe whose body breaks after its headers has succeeded, and is not counted twice', async () => {
    const { call, server, trip, state } = setUp({ halfOpenMaxAttempts: 2, failureThreshold: 3 })
    await trip()
    vi.advanceTimersByTime(1_000)
    const probe = call()
    server.attempts.at(-1)!.start().head(200).fail(new Error('cut'))
    await expect(probe).rejects.toThrow('cut')
    expect(state()).toMatchObject({ state: 'half-open', failures: 0 })
  })

  test('a dispatch that throws gives the slot back', async () => {
    const { breaker, call, server, trip, state } = setUp({ halfOpenMaxAttempts: 1 })
    await trip()
    vi.advanceTimersByTime(1_000)
    server.answer = () => {
      throw new Error('invalid')
    }
    await expect(call()).rejects.toThrow('invalid')
    server.answer = (attempt) => attempt.respond(200)
    await call()
    expect(state().state).toBe('closed')
    await breaker.close()
  })
})

describe('control', () => {
  test('isolate refuses everything and forceClose nothing, until reset', async () => {
    const { breaker, call, answered, state } = setUp({ failureThreshold: 1 })
    await breaker.circuits.isolate(origin)
    await expect(call()).rejects.toThrow('is isolated')
    vi.advanceTimersByTime(1e6)
    await expect(call()).rejects.toThrow('is isolated')
    expect(state()).toMatchObject({ state: 'open', override: 'isolated' })
    await breaker.circuits.forceClose(origin)
    for (let index = 0; index < 5; index++) expect(await answered(503)).toBe(503)
    expect(state()).toMatchObject({ state: 'closed', override: 'forced-closed', failures: 0 })
    await breaker.circuits.reset(origin)
    expect(state().override).toBeUndefined()
    await answered(503)
    expect(state().state).toBe('open')
  })

  test('a circuit that an operator named first takes the options of the breaker that uses it', async () => {
    const store = memoryCircuits()
    await store.reset(origin)
    const { answered, state } = setUp({ failureThreshold: 1, store: { circuits: store } })
    await answered(503)
    expect(state().state).toBe('open')
  })
})

describe('telemetry', () => {
  test('refuses the calls of every credential at an isolated origin, and the logger of their breaker tells it', async () => {
    const log = vi.fn()
    const { breaker, answered, call } = setUp({
      key: (one) => `${one.origin}#a`,
      logger: { info: log, warn: log, error: log },
    })
    await answered(200)
    await breaker.circuits.isolate(origin)
    await expect(call()).rejects.toMatchObject({ code: 'ERR_CIRCUIT_OPEN', key: `${origin}#a` })
    expect(log.mock.calls.map(([fields]) => (fields as { key?: string }).key)).toContain(origin)
    await breaker.circuits.reset(origin)
    expect(await answered(200)).toBe(200)
  })

  test('tells each transition once: the channel, the listeners, the logger', async () => {
    const published: CircuitChangedEvent[] = []
    const subscriber = (event: CircuitChangedEvent) => void published.push(event)
    channels.circuitChanged.subscribe(subscriber)
    const logged: unknown[][] = []
    const log = (...line: unknown[]) => void logged.push(line)
    const heard: CircuitStoreChange[] = []
    const store = memoryCircuits()
    store.onChange((change) => void heard.push(change))
    const { breaker, call, server, trip } = setUp({
      store: { circuits: store },
      logger: { info: log, warn: log, error: log },
      halfOpenMaxAttempts: 1,
    })
    await trip()
    vi.advanceTimersByTime(1_000)
    const probe = call()
    server.attempts.at(-1)!.respond(200)
    await probe
    channels.circuitChanged.unsubscribe(subscriber)
    const path = ['closed open', 'open half-open', 'half-open closed']
    expect(published.map(({ from, to }) => `${from} ${to}`)).toEqual(path)
    expect(published.every(({ here, key }) => here && key === origin)).toBe(true)
    expect(published[0]).toMatchObject({ retryAfterMs: 1_000, override: undefined })
    expect(heard.map(({ event }) => event)).toEqual(published)
    expect(logged.map(([, message]) => message)).toEqual(
      path.map((step) => `circuit ${step.replace(' ', ' -> ')}`),
    )
    await breaker.close()
    await store.isolate(origin)
    expect(logged).toHaveLength(3)
  })

  test('a listener that throws harms nobody', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const store = memoryCircuits()
    store.onChange(() => {
      throw new Error('boom')
    })
    const stop = store.onChange(() => undefined)
    stop()
    const { trip } = setUp({ store: { circuits: store } })
    await trip()
    expect(warn).toHaveBeenCalledOnce()
    warn.mockRestore()
  })
})

test('keeps at most `maxCircuits`: the least recently used goes, an open one last', async () => {
  const circuits = memoryCircuits({ maxCircuits: 3 })
  const breaker = circuitBreaker({
    failureThreshold: 1,
    store: { circuits },
    key: ({ path }) => path.split('?')[0] ?? '',
  })
  const server = new ScriptedDispatcher()
  const dispatcher = server.compose(breaker)
  server.answer = (attempt) => attempt.respond(attempt.options.path.startsWith('/bad') ? 503 : 200)
  for (const path of ['/bad', '/b', '/c', '/b', '/d', '/e']) {
    vi.advanceTimersByTime(1)
    const { body } = await request(`${origin}${path}`, { dispatcher })
    await body.dump()
  }
  expect(circuits.list().map(({ key, state }) => `${key} ${state}`)).toEqual([
    '/bad open',
    '/d closed',
    '/e closed',
  ])
})

test('refuses options that contradict each other', () => {
  expect(() => circuitBreaker({ slowCallRate: 0.5 })).toThrow(/`slowCallRate` needs `slowCallMs`/)
  expect(() => circuitBreaker({ timeoutMs: 1_000, maxTimeoutMs: 999 })).toThrow(
    /`maxTimeoutMs` must be an integer >= 1000/,
  )
  expect(() => circuitBreaker({ slowCallMs: 1, slowCallRate: 0 })).toThrow(
    /`slowCallRate` must be a number > 0/,
  )
  expect(() => circuitBreaker({ minimumRequests: 0 })).toThrow(
    '`minimumRequests` must be an integer >= 1, got 0',
  )
  expect(circuitBreaker({ timeoutMs: 600_000 })).toBeTypeOf('function')
})

describe('stacks that share a store', () => {
  const lines: string[] = []
  const loggerOf = (name: string) => {
    const log = (context: object, message: string): void => {
      const { integration, circuit, here } = context as Record<string, unknown>
      lines.push(`${name}: ${message} ${String(integration)} ${String(circuit)} here ${String(here)}`)
    }
    return { info: log, warn: log, error: log }
  }
  const breakerOf = (store: { circuits: ReturnType<typeof memoryCircuits> }, name: string) =>
    circuitBreaker({ integration: name, store, failureThreshold: 1, logger: loggerOf(name) })
  const failOne = async (dispatcher: Dispatcher, to: string) => {
    await (await request(to, { dispatcher })).body.text()
  }
  beforeEach(() => void (lines.length = 0))

  test('log the transitions of the circuits that they use, once, under their own integration', async () => {
    const store = { circuits: memoryCircuits() }
    const server = new ScriptedDispatcher()
    server.answer = (attempt) => attempt.respond(503)
    const [crm, mail] = ['crm', 'mail'].map((name) => server.compose(breakerOf(store, name)))
    await failOne(crm!, 'http://crm.test/')
    await failOne(mail!, 'http://mail.test/')
    expect(lines).toEqual([
      'crm: circuit closed -> open crm http://crm.test here true',
      'mail: circuit closed -> open mail http://mail.test here true',
    ])
  })

  test('leave a circuit that both use to the first, and then to the one that is still there', async () => {
    const store = { circuits: memoryCircuits() }
    const server = new ScriptedDispatcher()
    server.answer = (attempt) => attempt.respond(200)
    const breakers = ['one', 'two'].map((name) => breakerOf(store, name))
    for (const breaker of breakers) await failOne(server.compose(breaker), url)
    await store.circuits.isolate(origin)
    expect(lines).toEqual([`one: circuit closed -> open one ${origin} here true`])
    await breakers[0]!.close()
    await store.circuits.reset(origin)
    expect(lines.slice(1)).toEqual([`two: circuit open -> closed two ${origin} here true`])
    await breakers[1]!.close()
    await store.circuits.isolate(origin)
    expect(lines).toHaveLength(2)
  })
})
