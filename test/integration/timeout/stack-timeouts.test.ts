import { Agent, BalancedPool, type Dispatcher, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type RequestTimeoutError,
  resilience,
  type ResilienceOptions,
  type ResilienceStack,
  withCallOptions,
} from '../../../src/index.ts'
import { ok, type Provider, silence, startProvider } from '../../support/calls/provider.ts'

// In a stack no handler stands there for timeouts alone: the breaker's keeps the time of an attempt, the call its own.
// Calls with options of their own go through handlers of the timeouts. Both must say the same.

let provider: Provider
let stack: ResilienceStack
let dispatcher: Dispatcher
beforeEach(async () => {
  provider = await startProvider(ok)
})
afterEach(async () => {
  await dispatcher.destroy()
  await stack.close()
  await provider.close()
})

function compose(options: ResilienceOptions, agent: Dispatcher = new Agent()): void {
  stack = resilience(options)
  dispatcher = agent.compose(stack)
}

const quick = { initialBackoffMs: 1, jitter: 'none' } as const

async function outcome(sent: Promise<Dispatcher.ResponseData>): Promise<unknown> {
  return sent.then(
    async ({ body }) => body.text(),
    ({ code, scope, timeoutMs, attempts }: RequestTimeoutError) => ({ code, scope, timeoutMs, attempts }),
  )
}

describe.each([
  ['a call without options of its own', <T>(send: () => Promise<T>): Promise<T> => send()],
  [
    'a call with options of its own',
    <T>(send: () => Promise<T>): Promise<T> => withCallOptions({ labels: { order: '7' } }, send),
  ],
])('%s', (_which, own) => {
  const send = (
    init: Omit<Dispatcher.RequestOptions, 'path' | 'method'> & { method?: 'PUT' } = {},
  ): Promise<unknown> => own(() => outcome(request(provider.url, { ...init, dispatcher })))

  it('is tried again after an attempt that took too long', async () => {
    provider.replies = [silence, ok]
    compose({ attemptTimeoutMs: 200, totalTimeoutMs: 30_000, retry: quick })
    expect(await send()).toBe('ok')
    expect(stack.circuits.state(provider.url)).toMatchObject({ requests: 2, failures: 1 })
  })

  it('ends with its time as a whole in the second attempt, as it would in the first', async () => {
    provider.replies = [silence]
    compose({ attemptTimeoutMs: 200, totalTimeoutMs: 300, retry: quick })
    expect(await send()).toEqual({ code: 'ERR_TIMEOUT', scope: 'call', timeoutMs: 300, attempts: 2 })
    const [letter] = (await stack.deadLetters.list()).items
    expect(letter).toMatchObject({ reason: 'deadline', delivery: 'unknown', attempts: 2 })
    expect(stack.circuits.state(provider.url)).toMatchObject({ requests: 2, failures: 2 })
  })

  it('ends with its time as a whole before its second attempt has used its own', async () => {
    provider.replies = [
      (_request, response) => void setTimeout(() => response.writeHead(503).end(), 300),
      silence,
    ]
    compose({ attemptTimeoutMs: 400, totalTimeoutMs: 500, retry: quick })
    expect(await send()).toEqual({ code: 'ERR_TIMEOUT', scope: 'call', timeoutMs: 500, attempts: 2 })
    const [letter] = (await stack.deadLetters.list()).items
    expect(letter).toMatchObject({
      reason: 'deadline',
      history: [{ statusCode: 503 }, { code: 'ERR_TIMEOUT' }],
    })
  })

  it('ends in the queue of the Agent, and is not sent when its turn comes', async () => {
    provider.replies = [silence, ok]
    const agent = new Agent({ connections: 1, pipelining: 1 })
    const gone = new AbortController()
    const occupant = request(provider.url, { dispatcher: agent, signal: gone.signal }).catch(() => undefined)
    await expect.poll(() => provider.received.length).toBe(1)
    compose({ attemptTimeoutMs: 200, totalTimeoutMs: 300, retry: quick }, agent)
    expect(await send()).toEqual({ code: 'ERR_TIMEOUT', scope: 'call', timeoutMs: 300, attempts: 2 })
    gone.abort()
    await occupant
    expect(await outcome(request(`${provider.url}/next`, { dispatcher: agent }))).toBe('ok')
    expect(provider.received.map(({ url }) => url)).toEqual(['/', '/next'])
    const letters = (await stack.deadLetters.list()).items
    expect(letters).toMatchObject([{ reason: 'deadline', delivery: 'not-sent' }])
  })

  it('counts an attempt that took too long as `isFailure` says', async () => {
    provider.replies = [silence]
    const asked: unknown[] = []
    compose({
      attemptTimeoutMs: 100,
      retry: false,
      circuitBreaker: { isFailure: (outcome) => asked.push(outcome.kind === 'error' && outcome.code) === 0 },
    })
    expect(await send()).toMatchObject({ scope: 'attempt' })
    expect(asked).toEqual(['ERR_TIMEOUT'])
    expect(stack.circuits.state(provider.url)).toMatchObject({ requests: 1, failures: 0 })
  })

  it('has its attempts limited where it has no circuit', async () => {
    provider.replies = [silence]
    compose({ attemptTimeoutMs: 100, retry: false }, new BalancedPool([provider.url]))
    expect(await own(() => outcome(dispatcher.request({ path: '/', method: 'GET' })))).toMatchObject({
      scope: 'attempt',
    })
  })
})
