import { getEventListeners } from 'node:events'
import { stat } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { IntegrationError, RateLimitError, RequestTimeoutError, withRetry } from '../../../src/index.ts'
import { turnsUntil } from '../../support/calls/turns.ts'

const quick = { initialBackoffMs: 1 }
const failing = (...errors: unknown[]) => {
  let attempt = 0
  return vi.fn(async () => {
    const error = errors[Math.min(attempt++, errors.length - 1)]
    if (attempt > errors.length) return 'done'
    throw error
  })
}
const withCode = (code: string) => Object.assign(new Error(code), { code })

describe('withRetry', () => {
  it('returns what the function returned, with the attempt and a signal handed in', async () => {
    const seen: number[] = []
    const result = await withRetry(({ attempt, signal }) => {
      seen.push(attempt)
      expect(signal).toBeInstanceOf(AbortSignal)
      if (attempt < 3) throw withCode('ECONNRESET')
      return attempt
    }, quick)
    expect(result).toBe(3)
    expect(seen).toEqual([1, 2, 3])
  })

  it.each([
    ['a network error', withCode('ECONNRESET')],
    ['a network error as a cause', new TypeError('fetch failed', { cause: withCode('ECONNREFUSED') })],
    ['a 503 of our client', new IntegrationError('x', { statusCode: 503 })],
    ['a 429 of axios', Object.assign(new Error('x'), { response: { status: 429 } })],
    ['an error that says nothing', new Error('flaky')],
    ['what is no Error at all', 'flaky'],
  ])('tries again after %s', async (_what, error) => {
    const fn = failing(error)
    expect(await withRetry(fn, quick)).toBe('done')
    expect(fn).toHaveBeenCalledTimes(2)
  })

  it.each([
    ['a 404', Object.assign(new Error('x'), { status: 404 })],
    ['a certificate error', withCode('CERT_HAS_EXPIRED')],
    ['a mistake in the program', new TypeError('x is not a function')],
    ['an abort', new DOMException('aborted', 'AbortError')],
  ])('does not try again after %s', async (_what, error) => {
    const fn = failing(error)
    await expect(withRetry(fn, quick)).rejects.toBe(error)
    expect(fn).toHaveBeenCalledTimes(1)
  })

  it('throws the last error itself when the attempts are used up', async () => {
    const errors = [withCode('ECONNRESET'), withCode('ETIMEDOUT')]
    await expect(withRetry(failing(...errors), { ...quick, maxAttempts: 2 })).rejects.toBe(errors[1])
  })

  it('lets isRetryableError decide', async () => {
    const fn = failing(withCode('EODD'))
    await withRetry(fn, { ...quick, isRetryableError: (error) => error.message === 'EODD' })
    expect(fn).toHaveBeenCalledTimes(2)
    const never = failing(withCode('ECONNRESET'))
    await expect(withRetry(never, { ...quick, isRetryableError: () => false })).rejects.toThrow('ECONNRESET')
    expect(never).toHaveBeenCalledTimes(1)
  })

  it('waits as long as a RateLimitError asks, and gives up when that is too long', async () => {
    const at = performance.now()
    await withRetry(failing(new RateLimitError('x', { statusCode: 429, retryAfterMs: 120 })), quick)
    expect(performance.now() - at).toBeGreaterThanOrEqual(120)
    const tooLong = new RateLimitError('x', { statusCode: 429, retryAfterMs: 90_000 })
    await expect(withRetry(failing(tooLong), quick)).rejects.toBe(tooLong)
  })

  it('stops at once in a wait, in an attempt that does not heed its signal, and before it began', async () => {
    const reason = new Error('enough')
    for (const fn of [failing(withCode('ECONNRESET')), () => new Promise(() => undefined)]) {
      const controller = new AbortController()
      const running = withRetry(fn, { initialBackoffMs: 60_000, jitter: 'none', signal: controller.signal })
      await new Promise((resolve) => setTimeout(resolve, 10))
      controller.abort(reason)
      expect(await turnsUntil(running)).toBeLessThan(10)
      await expect(running).rejects.toBe(reason)
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    }
    const never = vi.fn()
    await expect(withRetry(never, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(never).not.toHaveBeenCalled()
  })

  it('ends with a RequestTimeoutError of the call when its time is up, and aborts the attempt', async () => {
    let aborted = false
    const running = withRetry(
      ({ signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => ((aborted = true), reject(new Error('late')))),
        ),
      { ...quick, totalTimeoutMs: 30 },
    )
    await expect(running).rejects.toBeInstanceOf(RequestTimeoutError)
    await expect(running).rejects.toMatchObject({ scope: 'call', timeoutMs: 30 })
    expect(aborted).toBe(true)
  })

  it('reads what came while the process could not run before it says that the time is up', async () => {
    await nextTurn()
    const running = withRetry(() => new Promise((resolve) => stat('.', () => resolve('answer'))), {
      ...quick,
      totalTimeoutMs: 75,
    })
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150)
    expect(await running).toBe('answer')
  })

  it('lets go of the caller’s signal when it is done', async () => {
    const { signal } = new AbortController()
    await withRetry(failing(withCode('ECONNRESET')), { ...quick, signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('refuses what is not a function', async () => {
    await expect(withRetry('work' as never)).rejects.toThrow(
      new TypeError('`fn` must be a function, got "work"'),
    )
    await expect(withRetry(Promise.resolve() as never)).rejects.toThrow(
      new TypeError(
        '`fn` must be a function, got a Promise, which has begun already: hand in `() => work()`',
      ),
    )
  })
})
