import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CircuitBreaker, type CircuitBreakerConfig } from '../../../src/circuit/circuit-breaker.ts'
import { CircuitBreakerOpenError, RequestTimeoutError, ShutdownError } from '../../../src/errors.ts'
import { memoryCircuits } from '../../../src/stores/memory/circuits.ts'

beforeEach(
  () =>
    void vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    }),
)
afterEach(() => void vi.useRealTimers())

const fails = (): never => {
  throw new Error('boom')
}
async function trip(breaker: CircuitBreaker, times: number): Promise<void> {
  for (let index = 0; index < times; index++) await expect(breaker.execute(fails)).rejects.toThrow('boom')
}

test('returns what the work returns and rejects with its error as it was', async () => {
  const breaker = new CircuitBreaker()
  expect(await breaker.execute(() => 42)).toBe(42)
  expect(await breaker.execute(() => Promise.resolve('later'))).toBe('later')
  const error = { not: 'an Error' }
  await expect(breaker.execute(() => Promise.reject(error))).rejects.toBe(error)
  expect(breaker.snapshot()).toMatchObject({ state: 'closed', failures: 1, requests: 3 })
})

test('opens, refuses with CircuitBreakerOpenError without running the work, probes and closes', async () => {
  const breaker = new CircuitBreaker({
    integration: 'sdk',
    failureThreshold: 2,
    timeoutMs: 1_000,
    halfOpenMaxAttempts: 1,
    maxWaitMs: 0,
  })
  await trip(breaker, 2)
  expect(breaker.state).toBe('open')
  const work = vi.fn(() => 1)
  const error = await breaker.execute(work).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(CircuitBreakerOpenError)
  expect(error).toMatchObject({ key: 'sdk', integration: 'sdk', retryAfterMs: 1_000 })
  expect(work).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1_000)
  expect(await breaker.execute(work)).toBe(1)
  expect(breaker.state).toBe('closed')
})

test('errors that carry a status below 500 do not count, those of 500 and more do', async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 100 })
  for (const error of [
    { statusCode: 404 },
    { status: 429 },
    { response: { status: 400 } },
    { response: { status: 502 } },
  ]) {
    await breaker
      .execute(() => Promise.reject(Object.assign(new Error('http'), error)))
      .catch(() => undefined)
  }
  expect(breaker.snapshot()).toMatchObject({ failures: 1, requests: 4 })
})

test('`isFailure` decides about errors', async () => {
  const isFailure = vi.fn(() => false)
  const breaker = new CircuitBreaker({ failureThreshold: 1, isFailure })
  await trip(breaker, 3)
  expect(breaker.state).toBe('closed')
  expect(isFailure).toHaveBeenCalledWith(
    expect.objectContaining({ kind: 'error', error: expect.any(Error) as unknown }),
  )
})

describe('abort', () => {
  test('an abort by the caller rejects at once with its reason, though the work ignores it, and counts nothing', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 })
    const controller = new AbortController()
    let seen: AbortSignal | undefined
    const result = breaker.execute(
      ({ signal }) => {
        seen = signal
        return new Promise(() => undefined)
      },
      { signal: controller.signal },
    )
    controller.abort(new Error('enough'))
    await expect(result).rejects.toThrow('enough')
    expect(seen?.aborted).toBe(true)
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', requests: 0 })
    await expect(breaker.execute(() => 1, { signal: controller.signal })).rejects.toThrow('enough')
  })

  test('a cancelled probe gives its slot back', async () => {
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      timeoutMs: 100,
      halfOpenMaxAttempts: 1,
      maxWaitMs: 0,
    })
    await trip(breaker, 1)
    vi.advanceTimersByTime(100)
    const controller = new AbortController()
    const probe = breaker.execute(() => new Promise(() => undefined), { signal: controller.signal })
    expect(breaker.state).toBe('half-open')
    await expect(breaker.execute(() => 1)).rejects.toThrow(CircuitBreakerOpenError)
    controller.abort()
    await expect(probe).rejects.toThrow()
    expect(await breaker.execute(() => 1)).toBe(1)
    expect(breaker.state).toBe('closed')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a hung probe is ended after `probeTimeoutMs` and has failed', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, timeoutMs: 100, probeTimeoutMs: 5_000 })
    await trip(breaker, 1)
    vi.advanceTimersByTime(100)
    let signal: AbortSignal | undefined
    const probe = breaker.execute((context) => {
      signal = context.signal
      return new Promise(() => undefined)
    })
    probe.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(5_000)
    await expect(probe).rejects.toThrow(RequestTimeoutError)
    expect(signal?.aborted).toBe(true)
    expect(breaker.state).toBe('open')
  })

  test('a hung probe has failed whatever `isFailure` says of errors', async () => {
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      timeoutMs: 100,
      probeTimeoutMs: 5_000,
      halfOpenMaxAttempts: 1,
      isFailure: (outcome) => outcome.kind === 'error' && outcome.error.message === 'boom',
    })
    await trip(breaker, 1)
    vi.advanceTimersByTime(100)
    const probe = breaker.execute(() => new Promise(() => undefined))
    probe.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(5_000)
    await expect(probe).rejects.toThrow(RequestTimeoutError)
    expect(breaker.state).toBe('open')
  })
})

test('breakers of one name share a circuit through their store, and only through it', async () => {
  const store = { circuits: memoryCircuits() }
  const [one, two, alone] = [
    new CircuitBreaker({ store, failureThreshold: 1 }),
    new CircuitBreaker({ store }),
    new CircuitBreaker(),
  ]
  await trip(one, 1)
  expect([one.state, two.state, alone.state]).toEqual(['open', 'open', 'closed'])
  await two.reset()
  expect(one.state).toBe('closed')
  await two.isolate()
  await expect(one.execute(() => 1)).rejects.toThrow('is isolated')
  await two.forceClose()
  await trip(one, 3)
  expect(one.snapshot()).toMatchObject({ state: 'closed', override: 'forced-closed' })
  await one.close()
})

test('refuses bad options', () => {
  expect(() => new CircuitBreaker({ key: () => 'x' } as object)).toThrow(/`key` must be a non-empty string/)
  expect(() => new CircuitBreaker({ failureThreshold: 0 })).toThrow(
    '`failureThreshold` must be an integer >= 1, got 0',
  )
  expect(() => new CircuitBreaker({ store: {} as never })).toThrow(/`store` must have `circuits`/)
})

describe('a function that comes to an open circuit', () => {
  const opened = async (options: CircuitBreakerConfig = {}) => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, ...options })
    await trip(breaker, 1)
    return breaker
  }

  test('waits out a short opening, and runs once', async () => {
    const breaker = await opened()
    const work = vi.fn(() => 1)
    const waiting = [breaker.execute(work), breaker.execute(work), breaker.execute(work)]
    await vi.advanceTimersByTimeAsync(999)
    expect(work).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(10)
    expect(await Promise.all(waiting)).toEqual([1, 1, 1])
    expect(work).toHaveBeenCalledTimes(3)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is let go by an abort, and leaves no timer', async () => {
    const breaker = await opened()
    const controller = new AbortController()
    const waiting = breaker.execute(() => 1, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is ended by `close`, after which nothing waits', async () => {
    const breaker = await opened()
    const waiting = breaker.execute(() => 1)
    const closed = breaker.close()
    await expect(waiting).rejects.toThrow(ShutdownError)
    await closed
    await expect(breaker.execute(() => 1)).rejects.toThrow(CircuitBreakerOpenError)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is refused at once with a `maxWaitMs` of 0', async () => {
    const breaker = await opened({ maxWaitMs: 0 })
    await expect(breaker.execute(() => 1)).rejects.toThrow(CircuitBreakerOpenError)
  })
})
