import { request } from 'undici'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { retry } from '../../../../src/retry/interceptor.ts'
import { timeout } from '../../../../src/timeout/interceptor.ts'
import { ScriptedDispatcher } from '../../../support/calls/scripted-dispatcher.ts'

const BACKOFF_MS = 100
const ATTEMPT_MS = 1_000
const TOTAL_MS = 3_000

/** A call whose first attempt has failed; its second, a retry that cost something, is as the test plays it. */
async function secondAttempt() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
  const server = new ScriptedDispatcher()
  const own = retry({
    maxAttempts: 10,
    initialBackoffMs: BACKOFF_MS,
    maxBackoffMs: BACKOFF_MS,
    jitter: 'none',
    budget: { burst: 10, perSecond: 0 },
  })
  onTestFinished(() => own.close())
  const dispatcher = server.compose(timeout({ ms: ATTEMPT_MS }), own, timeout({ ms: TOTAL_MS }))
  const caller = new AbortController()
  const { signal } = caller
  const call = request('http://api.test/', { dispatcher, signal }).catch((error: Error) => error.name)
  server.attempts[0]!.respond(503)
  await pass(BACKOFF_MS + 1)
  expect(server.attempts).toHaveLength(2)
  const retries = () => own.retryBudget.state('http://api.test').retries
  expect(retries()).toBe(1)
  return { server, attempt: server.attempts[1]!, caller, call, pass, retries }
}
const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })

describe('a retry that cost something', () => {
  it('costs nothing when the caller aborts before it was sent', async () => {
    const { caller, call, retries } = await secondAttempt()
    caller.abort()
    expect(await call).toBe('AbortError')
    expect(retries()).toBe(0)
  })

  it("costs nothing when the caller's own timeout comes before it was sent", async () => {
    const { caller, call, retries } = await secondAttempt()
    caller.abort(new DOMException('late', 'TimeoutError'))
    expect(await call).toBe('TimeoutError')
    expect(retries()).toBe(0)
  })

  it('stays paid when the call ends after it was sent', async () => {
    const { attempt, caller, call, retries } = await secondAttempt()
    attempt.start()
    caller.abort()
    expect(await call).toBe('AbortError')
    expect(retries()).toBe(1)
  })

  it('stays paid when it found no connection, also when the call ends in the wait after it', async () => {
    const { attempt, caller, call, retries } = await secondAttempt()
    attempt.fail(refused)
    expect(retries()).toBe(2)
    caller.abort()
    expect(await call).toBe('AbortError')
    expect(retries()).toBe(1)
  })

  it('stays paid when it timed out before a connection took it up: another one follows', async () => {
    const { server, pass, retries } = await secondAttempt()
    await pass(ATTEMPT_MS + 1)
    expect(retries()).toBe(2)
    await pass(BACKOFF_MS + 1)
    expect(server.attempts).toHaveLength(3)
    expect(retries()).toBe(2)
  })

  it('costs nothing when the time of the call is up before it was sent', async () => {
    const { server, call, pass, retries } = await secondAttempt()
    // each attempt times out, the last one with the call
    await pass(TOTAL_MS)
    expect(await call).toBe('RequestTimeoutError')
    expect([server.attempts.length, retries()]).toEqual([4, 2])
  })
})
