import { describe, expect, it } from 'vitest'
import { CircuitBreaker, isIntegrationError, withRetry } from '../../src/index.ts'

/** Errors as clients in use throw them, and the status that they answer for. */
const thrown: [what: string, status: number, error: unknown][] = [
  ['got', 404, Object.assign(new Error('x'), { code: 'ERR_NON_2XX_3XX', response: { statusCode: 404 } })],
  ['axios', 404, Object.assign(new Error('x'), { status: 404, response: { status: 404 } })],
  ['a client whose own status is a word', 404, { status: 'error', response: { status: 404 } }],
  ['undici with responseError()', 422, Object.assign(new Error('x'), { statusCode: 422 })],
  ['axios, without a response', 0, Object.assign(new Error('x'), { status: 0 })],
  ['got', 503, Object.assign(new Error('x'), { code: 'ERR_NON_2XX_3XX', response: { statusCode: 503 } })],
  ['a client whose own status is a word', 503, { status: 'error', response: { status: 503 } }],
]

async function attemptsOfRetry(error: unknown): Promise<number> {
  let attempts = 0
  const options = { maxAttempts: 2, initialBackoffMs: 0 }
  await withRetry(() => (attempts++, Promise.reject(error)), options).catch(() => undefined)
  return attempts
}

async function opensCircuit(error: unknown): Promise<boolean> {
  const breaker = new CircuitBreaker({ failureThreshold: 1 })
  await breaker.execute(() => Promise.reject(error)).catch(() => undefined)
  return breaker.state === 'open'
}

describe('the status of an error that another client threw', () => {
  it.each(thrown)('%s, %i: withRetry and CircuitBreaker agree on it', async (_client, status, error) => {
    const answered = status >= 100 && status < 500
    expect({ retried: (await attemptsOfRetry(error)) > 1, opens: await opensCircuit(error) }).toEqual({
      retried: !answered,
      opens: !answered,
    })
  })

  it('counts as an answer of the server: a probe that got one closes the circuit', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, timeoutMs: 1, halfOpenMaxAttempts: 1 })
    const failing = (error: unknown) => breaker.execute(() => Promise.reject(error)).catch((e: unknown) => e)
    await failing(new Error('down'))
    expect(breaker.state).toBe('open')
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(isIntegrationError(await failing({ response: { statusCode: 404 } }))).toBe(false)
    expect(breaker.state).toBe('closed')
  })
})

describe('the wait that an error of another client asks for', () => {
  const asking = (headers: unknown) =>
    Object.assign(new Error('x'), { response: { statusCode: 429, headers } })
  it.each([
    ['Headers', new Headers({ 'Retry-After': '1' })],
    ['an object, named as the server did', { 'Retry-After': '1' }],
    ['pairs', new Map([['retry-after', '1']])],
    ['reset headers', { 'x-ratelimit-reset': '1' }],
  ])('is obeyed: %s', async (_what, headers) => {
    const controller = new AbortController()
    const asked: number[] = []
    const wait = (await import('../../src/telemetry/channels.ts')).channels.retryScheduled
    const listen = ({ retryAfterMs }: { retryAfterMs?: number | undefined }) => {
      asked.push(retryAfterMs ?? 0)
      controller.abort()
    }
    wait.subscribe(listen)
    await withRetry(() => Promise.reject(asking(headers)), { signal: controller.signal }).catch(
      () => undefined,
    )
    wait.unsubscribe(listen)
    expect(asked).toEqual([1_000])
  })

  it('is none where headers are no headers, and hurts nobody', async () => {
    const odd = [null, 7, 'retry-after: 1', [1, 2, 3], new Set([1]), Object.create(null)]
    for (const headers of odd) {
      const error = asking(headers)
      let attempts = 0
      const fn = () => (attempts++ === 0 ? Promise.reject(error) : Promise.resolve('done'))
      expect(await withRetry(fn, { initialBackoffMs: 0 })).toBe('done')
    }
  })
})
