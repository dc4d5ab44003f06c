import { setImmediate as turn } from 'node:timers/promises'
import { Agent, type Dispatcher, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BulkheadFullError, resilience, type ResilienceStack, withCallOptions } from '../../../src/index.ts'
import { departuresTo } from '../../support/calls/departures.ts'
import {
  ok,
  type Provider,
  type Reply,
  reset,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'

let provider: Provider
let stack: ResilienceStack
let dispatcher: Dispatcher

function use(options: Parameters<typeof resilience>[0] = {}, agent: Dispatcher = new Agent()): void {
  stack = resilience({ retry: { initialBackoffMs: 1 }, ...options })
  dispatcher = agent.compose(stack)
}
const call = async (path = '/', signal?: AbortSignal) => {
  const { statusCode, body } = await request(provider.url + path, { dispatcher, signal: signal ?? null })
  await body.dump()
  return statusCode
}
const failure = (result: Promise<unknown>) => result.then(String, (error: unknown) => error)
const received = (count: number) => vi.waitFor(() => expect(provider.received).toHaveLength(count), 10_000)

/** Replies that the test sends, in the order of the requests. */
function held() {
  const waiting: (() => void)[] = []
  const reply: Reply = (_request, response) => void waiting.push(() => void response.end('ok'))
  return { reply, answer: () => waiting.shift()!() }
}

beforeEach(async () => {
  provider = await startProvider()
})
afterEach(async () => {
  await stack.close()
  await dispatcher.destroy()
  await provider.close()
})

describe('a stack with a bulkhead', () => {
  it('never has more attempts at the provider than its limit, and serves all in their order', async () => {
    use({ bulkhead: { limit: 3 } })
    let now = 0
    let most = 0
    provider.replies = [
      (_request, response) => {
        most = Math.max(most, ++now)
        setTimeout(() => {
          now--
          response.end('ok')
        }, 5)
      },
    ]
    // when they go: on the way they may overtake each other
    const sent = departuresTo(() => provider.url)
    const paths = Array.from({ length: 30 }, (_, at) => `/${at}`)
    const statuses = await Promise.all(paths.map((path) => call(path)))
    sent.stop()
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(most).toBe(3)
    expect(sent.paths).toEqual(paths)
  })

  it('has none without the option', async () => {
    use()
    const { reply, answer } = held()
    provider.replies = [reply]
    const calls = Array.from({ length: 150 }, () => call())
    await received(150)
    for (let at = 0; at < 150; at++) answer()
    await Promise.all(calls)
  })

  it('refuses what finds no room: not retried, not counted by the circuit, captured as not sent', async () => {
    use({ integration: 'crm', bulkhead: { limit: 1, maxQueue: 0 } })
    const { reply, answer } = held()
    provider.replies = [reply]
    const first = call()
    await received(1)
    const error = await failure(call('/items?token=s3cret'))
    expect(error).toBeInstanceOf(BulkheadFullError)
    expect(error).toMatchObject({ code: 'ERR_BULKHEAD_FULL', key: provider.url, attempts: 0 })
    answer()
    expect(await first).toBe(200)
    expect(provider.received).toHaveLength(1)
    expect(stack.circuits.state(provider.url)).toMatchObject({ requests: 1, failures: 0 })
    const { items } = await stack.deadLetters.list()
    expect(items).toMatchObject([
      {
        id: (error as BulkheadFullError).deadLetterId,
        reason: 'rate-limited',
        delivery: 'not-sent',
        attempts: 0,
        replayable: true,
        error: { code: 'ERR_BULKHEAD_FULL' },
      },
    ])
    expect(items[0]!.notBefore).toBeUndefined()
  })

  it('gives the permit of a refused call back to the rate limit', async () => {
    use({ bulkhead: { limit: 1, maxQueue: 0 }, rateLimit: { limits: [{ limit: 10, intervalMs: 10_000 }] } })
    const { reply, answer } = held()
    provider.replies = [reply]
    const first = call()
    await received(1)
    await expect(call()).rejects.toMatchObject({ code: 'ERR_BULKHEAD_FULL' })
    expect(stack.limits.state(provider.url)).toMatchObject({ used: 1 })
    answer()
    await first
  })

  it('does not take a wait for a slot for a slow answer', async () => {
    use({
      bulkhead: { limit: 1 },
      circuitBreaker: { slowCallMs: 1_500, slowCallRate: 0.1, minimumRequests: 1, failureThreshold: 1 },
      attemptTimeoutMs: 1_900,
    })
    provider.replies = [(_request, response) => void setTimeout(() => response.end('ok'), 400)]
    // the last waits for longer than an answer may take
    expect(await Promise.all(Array.from({ length: 6 }, () => call()))).toEqual([200, 200, 200, 200, 200, 200])
    expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'closed', failures: 0 })
  })

  it('holds no slot in a backoff: each attempt takes one of its own', async () => {
    use({ bulkhead: { limit: 1 }, retry: { initialBackoffMs: 200, jitter: 'none' } })
    provider.replies = [status(503), ok]
    const retried = call('/retried')
    await received(1)
    expect(await call('/meanwhile')).toBe(200)
    expect(provider.received.map(({ url }) => url)).toEqual(['/retried', '/meanwhile'])
    expect(await retried).toBe(200)
  })
})

describe('over real connections a slot comes back', () => {
  const only = (options: Parameters<typeof resilience>[0] = {}) =>
    use({ retry: false, circuitBreaker: false, bulkhead: { limit: 1 }, ...options })

  it('when the connection breaks', async () => {
    only()
    provider.replies = [reset, ok]
    const [first, second] = await Promise.all([failure(call()), call()])
    expect(first).toMatchObject({ code: 'ECONNRESET' })
    expect(second).toBe(200)
  })

  it('when there is no server', async () => {
    only()
    await provider.close()
    const failures = await Promise.all([failure(call()), failure(call())])
    for (const one of failures) expect(one).toMatchObject({ code: 'ECONNREFUSED' })
    provider = await startProvider()
  })

  it('when an attempt times out', async () => {
    only({ attemptTimeoutMs: 1_500 })
    provider.replies = [silence, ok]
    const [first, second] = await Promise.all([failure(call()), call()])
    expect(first).toMatchObject({ code: 'ERR_TIMEOUT', scope: 'attempt' })
    expect(second).toBe(200)
  })

  it('when the caller aborts, and when its call in line is aborted nothing is sent', async () => {
    only()
    provider.replies = [silence, ok]
    const [caller, other] = [new AbortController(), new AbortController()]
    const first = failure(call('/first', caller.signal))
    const inLine = failure(call('/in-line', other.signal))
    const next = call('/next')
    await received(1)
    other.abort()
    caller.abort()
    expect(await first).toMatchObject({ name: 'AbortError' })
    expect(await inLine).toMatchObject({ name: 'AbortError' })
    expect(await next).toBe(200)
    expect(provider.received.map(({ url }) => url)).toEqual(['/first', '/next'])
  })

  it('when the call times out that waits in undici for a connection', async () => {
    use(
      { retry: false, circuitBreaker: false, bulkhead: { limit: 2, maxQueue: 0 } },
      new Agent({ connections: 1 }),
    )
    provider.replies = [silence]
    const hung = failure(call('/hung'))
    await received(1)
    const queued = withCallOptions({ totalTimeoutMs: 50 }, () => failure(call('/queued')))
    expect(await queued).toMatchObject({ code: 'ERR_TIMEOUT', scope: 'call' })
    const next = failure(call('/next'))
    await turn()
    await expect(call('/full')).rejects.toMatchObject({ code: 'ERR_BULKHEAD_FULL' })
    await dispatcher.destroy()
    expect(String(await hung)).toContain('destroyed')
    expect(String(await next)).toContain('destroyed')
  })
})

describe('close', () => {
  it('ends the waits, and captures them as shut down', async () => {
    use({ bulkhead: { limit: 1 } })
    const { reply, answer } = held()
    provider.replies = [reply]
    const first = call()
    const waits = failure(call())
    await received(1)
    await stack.close()
    expect(await waits).toMatchObject({ code: 'ERR_SHUTDOWN', attempts: 0 })
    const { items } = await stack.deadLetters.list()
    expect(items).toMatchObject([{ reason: 'shutdown', delivery: 'not-sent', attempts: 0 }])
    answer()
    expect(await first).toBe(200)
  })
})
