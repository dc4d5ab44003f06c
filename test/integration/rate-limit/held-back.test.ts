import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { Agent, type Dispatcher, interceptors, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  deadLetter,
  rateLimit as limitAlone,
  type RateLimitError,
  resilience,
  type ResilienceOptions,
  retry,
} from '../../../src/index.ts'
import { ok, type Provider, type Reply, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'
import { selfSigned } from '../../support/servers/certificate.ts'

const WAIT_MS = 1_000
const limits = [{ limit: 100, intervalMs: 10_000 }]

let provider: Provider
/** When the provider asked for the wait. */
let askedAt: number
let dispatcher: Dispatcher
const closers: (() => Promise<void>)[] = []
/** How often something was put into the queue of undici. */
let dispatched = 0
const counting: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
  dispatched++
  return dispatch(options, handler)
}

/** Everything but the first request must come after the wait. */
const early = () => provider.received.filter(({ at }, nth) => nth > 0 && at < askedAt + WAIT_MS)
const post = async (nth: number): Promise<number> => {
  const init = { method: 'PUT', body: `order ${nth}` }
  return (await fetch(provider.url, via(dispatcher, init))).status
}

/** Without the turns of the event loop that fetch takes. */
const put = async (nth: number): Promise<number> => {
  const { statusCode, body } = await request(provider.url, {
    dispatcher,
    method: 'PUT',
    body: `order ${nth}`,
  })
  await body.dump()
  return statusCode
}
const late429: Reply = async (received, response, socket) => {
  // the others are in the queue of the one connection by then
  await new Promise((resolve) => setTimeout(resolve, 50))
  askedAt = performance.now()
  await status(429, { 'retry-after': String(WAIT_MS / 1_000) })(received, response, socket)
}

beforeEach(async () => {
  dispatched = 0
  provider = await startProvider(late429, ok)
})
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  await dispatcher.destroy()
  await provider.close()
})

describe.each<[string, ResilienceOptions['rateLimit'] & object]>([
  ['with permits', { limits }],
  ['under no limits', {}],
])('a cool-down that begins while calls wait for a connection, %s,', (_which, rateLimit) => {
  test('holds them back: nothing is sent before its time, and all of them are served over the connection that they waited for', async () => {
    const stack = resilience({ rateLimit, retry: { initialBackoffMs: 1 } })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(stack)
    const statuses = await Promise.all(Array.from({ length: 20 }, (_one, nth) => post(nth)))
    expect(statuses).toEqual(Array.from({ length: 20 }, () => 200))
    expect(early()).toEqual([])
    // the one that was refused came twice, the others once
    const bodies = provider.received.map(({ body }) => body.toString()).sort()
    expect(bodies).toEqual([...Array.from({ length: 20 }, (_one, nth) => `order ${nth}`), 'order 0'].sort())
    expect(new Set(provider.received.map(({ port }) => port)).size).toBe(1)
    expect(stack.circuits.state(provider.url)).toMatchObject({ failures: 0 })
  })

  test('lets go of one that its caller aborts while it is held back', async () => {
    const stack = resilience({ rateLimit, retry: false })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(stack)
    const controller = new AbortController()
    const first = post(0)
    const second = fetch(provider.url, via(dispatcher, { signal: controller.signal }))
    expect(await first).toBe(429)
    await expect.poll(() => stack.limits.state(provider.url).waiting).toBe(1)
    controller.abort()
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    expect(stack.limits.state(provider.url)).toMatchObject({ waiting: 0 })
    expect(provider.received).toHaveLength(1)
  })

  test('refuses them where they may not wait, and they are not sent', async () => {
    const stack = resilience({ rateLimit: { ...rateLimit, maxWaitMs: 0 }, retry: { maxAttempts: 1 } })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(stack)
    const calls = await Promise.allSettled(Array.from({ length: 5 }, (_one, nth) => post(nth)))
    expect(calls[0]).toMatchObject({ value: 429 })
    for (const { reason } of calls.slice(1) as PromiseRejectedResult[]) {
      expect((reason as Error).cause).toMatchObject({ refusedBy: 'provider', attempts: 0 })
    }
    expect(provider.received).toHaveLength(1)
    expect(stack.circuits.state(provider.url)).toMatchObject({ failures: 0, requests: 1 })
  })

  test('counts each as one request', async () => {
    const stack = resilience({ rateLimit, retry: { initialBackoffMs: 1 }, attemptTimeoutMs: 60_000 })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(stack)
    expect(await Promise.all(Array.from({ length: 4 }, (_one, nth) => post(nth)))).toEqual([
      200, 200, 200, 200,
    ])
    expect(stack.circuits.state(provider.url)).toMatchObject({ requests: 5 })
    expect(early()).toEqual([])
  })

  test('holds back all that share a request below', async () => {
    const stack = resilience({ rateLimit, retry: { maxAttempts: 1 } })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(interceptors.deduplicate(), stack)
    const send = async (method: 'GET' | 'PUT'): Promise<number> => {
      const { statusCode, body } = await request(provider.url, { dispatcher, method })
      await body.dump()
      return statusCode
    }
    const first = send('PUT')
    await expect.poll(() => provider.received.length).toBe(1)
    const both = Promise.all([send('GET'), send('GET')])
    expect(await first).toBe(429)
    expect(await both).toEqual([200, 200])
    expect(early()).toEqual([])
    expect(stack.circuits.state(provider.url)).toMatchObject({ failures: 0 })
  })

  test('tells others that share a request below why it was not sent: one without layers of ours, one whose layers do not wait', async () => {
    const shared = new Agent({ connections: 1 }).compose(interceptors.deduplicate())
    const stack = resilience({ integration: 'crm', rateLimit, retry: { maxAttempts: 1 } })
    const letters = deadLetter()
    closers.push(
      () => stack.close(),
      () => letters.close(),
      () => shared.destroy(),
    )
    dispatcher = shared.compose(stack)
    const first = put(0)
    await expect.poll(() => provider.received.length).toBe(1)
    const get = async (through: Dispatcher): Promise<number> => {
      const { statusCode, body } = await request(`${provider.url}/a?token=x`, { dispatcher: through })
      await body.dump()
      return statusCode
    }
    const ours = get(dispatcher)
    const others = Promise.allSettled([get(shared), get(shared.compose(letters))])
    expect(await first).toBe(429)
    expect(await ours).toBe(200)
    expect(early()).toEqual([])
    const told = {
      status: 'rejected',
      reason: {
        name: 'RateLimitError',
        code: 'ERR_RATE_LIMITED',
        refusedBy: 'provider',
        integration: 'crm',
        url: `${provider.url}/a?token=[redacted]`,
        attempts: 0,
        message: expect.stringMatching(
          /was not sent: the provider has asked to wait.*`deduplicate`/,
        ) as string,
      },
    }
    const ends = await others
    expect(ends).toMatchObject([told, told])
    const { retryAfterMs } = (ends[0] as PromiseRejectedResult).reason as RateLimitError
    expect(retryAfterMs).toBeGreaterThan(WAIT_MS / 2)
    expect(retryAfterMs).toBeLessThanOrEqual(WAIT_MS)
    expect((await letters.deadLetters.list()).items).toMatchObject([
      { reason: 'rate-limited', delivery: 'not-sent', error: { code: 'ERR_RATE_LIMITED' } },
    ])
  })

  test('holds back those that wait for a slot of the bulkhead', async () => {
    const stack = resilience({ rateLimit, bulkhead: { limit: 2 }, retry: { initialBackoffMs: 1 } })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(stack)
    const statuses = await Promise.all(Array.from({ length: 8 }, (_one, nth) => put(nth)))
    expect(statuses).toEqual(Array.from({ length: 8 }, () => 200))
    expect(early()).toEqual([])
    expect(provider.received).toHaveLength(9)
  })

  test('holds them back once under a layer of ours that would not, which counts and keeps nothing of it', async () => {
    const inner = resilience({ rateLimit: { ...rateLimit, cooldown: false }, retry: { maxAttempts: 1 } })
    const stack = resilience({ rateLimit, retry: { maxAttempts: 1 } })
    closers.push(
      () => inner.close(),
      () => stack.close(),
    )
    dispatcher = new Agent({ connections: 1 }).compose(counting, inner, stack)
    const statuses = await Promise.all(Array.from({ length: 4 }, (_one, nth) => post(nth)))
    expect(statuses).toEqual([429, 200, 200, 200])
    expect(early()).toEqual([])
    // once into the queue, and once after the wait
    expect(dispatched).toBeLessThanOrEqual(7)
    expect(inner.circuits.state(provider.url)).toMatchObject({ failures: 0, requests: 4 })
    const { items } = await inner.deadLetters.list()
    expect(items).toMatchObject([{ error: { code: 'ERR_HTTP_STATUS' } }])
  })

  test.each<[string, () => Dispatcher.DispatcherComposeInterceptor]>([
    ['rateLimit', () => limitAlone({ ...rateLimit, cooldown: false })],
    ['retry', () => retry({ maxAttempts: 1 })],
  ])('holds them back once with rateLimit alone over %s', async (_below, makeBelow) => {
    const limit = limitAlone(rateLimit)
    closers.push(() => limit.close())
    dispatcher = new Agent({ connections: 1 }).compose(counting, makeBelow(), limit)
    const statuses = await Promise.all(Array.from({ length: 4 }, (_one, nth) => post(nth)))
    expect(statuses).toEqual([429, 200, 200, 200])
    expect(early()).toEqual([])
    expect(dispatched).toBeLessThanOrEqual(7)
  })

  test('holds them back in the line of the key that cools down, whatever the hook says next', async () => {
    let asked = 0
    const key = (): string => `key ${asked++ % 2}`
    const stack = resilience({ rateLimit: { ...rateLimit, key }, retry: { maxAttempts: 1 } })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(counting, stack)
    await Promise.all(Array.from({ length: 4 }, (_one, nth) => put(nth)))
    expect(dispatched).toBeLessThan(20)
  })

  test.each<[string, () => Dispatcher.DispatcherComposeInterceptor]>([
    ['cache', () => interceptors.cache()],
    ['decompress', () => interceptors.decompress()],
    ['retry', () => interceptors.retry({ statusCodes: [] })],
  ])('answers all that share a request below the %s of undici', async (_above, makeAbove) => {
    const stack = resilience({ rateLimit, retry: { maxAttempts: 1 } })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(interceptors.deduplicate(), makeAbove(), stack)
    const first = put(0)
    await expect.poll(() => provider.received.length).toBe(1)
    const all = Promise.all(
      Array.from({ length: 3 }, async () => {
        const { statusCode, body } = await request(provider.url, { dispatcher })
        await body.dump()
        return statusCode
      }),
    )
    expect(await first).toBe(429)
    expect(await all).toEqual([200, 200, 200])
  })

  test('lets the answer through for which a cache has asked anew', async () => {
    const stack = resilience({ rateLimit, retry: { maxAttempts: 1 } })
    closers.push(() => stack.close())
    let asked = 0
    provider.replies.splice(0, Infinity, async ({ url }, response) => {
      if (url !== '/cached') return void response.writeHead(429, { 'retry-after': '1' }).end()
      asked++
      if (asked > 1) await expect.poll(() => stack.limits.state(provider.url).coolUntil).toBeDefined()
      const cacheControl = 'public, max-age=1, stale-if-error=60'
      response.writeHead(200, { 'cache-control': cacheControl, etag: `"${asked}"` }).end()
    })
    dispatcher = new Agent({ connections: 2 }).compose(interceptors.cache(), stack)
    const get = async (path: string): Promise<number> =>
      (await fetch(provider.url + path, via(dispatcher, {}))).status
    expect(await get('/cached')).toBe(200)
    // until it is stale
    await new Promise((resolve) => setTimeout(resolve, 2_100))
    const again = get('/cached')
    await expect.poll(() => asked).toBe(2)
    expect(await get('/other')).toBe(429)
    expect(await again).toBe(200)
    expect(asked).toBe(2)
  })
})

describe('a cool-down that begins while calls with permits wait for a connection', () => {
  test('gives their permits, slots and probes back', async () => {
    const stack = resilience({
      rateLimit: { limits, maxWaitMs: 0 },
      bulkhead: { limit: 20 },
      retry: false,
    })
    closers.push(() => stack.close())
    dispatcher = new Agent({ connections: 1 }).compose(stack)
    const calls = await Promise.allSettled(Array.from({ length: 20 }, (_one, nth) => post(nth)))
    expect(calls[0]).toMatchObject({ value: 429 })
    for (const { reason } of calls.slice(1) as PromiseRejectedResult[]) {
      expect((reason as Error).cause).toMatchObject({
        code: 'ERR_RATE_LIMITED',
        refusedBy: 'provider',
        attempts: 0,
      })
    }
    expect(provider.received).toHaveLength(1)
    expect(stack.limits.state(provider.url)).toMatchObject({ limits: [{ used: 1 }], waiting: 0 })
    expect(stack.circuits.state(provider.url)).toMatchObject({ failures: 0, requests: 1 })
  })

  test('holds them back with rateLimit alone, and sends a stream whole that nobody has recorded', async () => {
    const limit = limitAlone({ limits })
    closers.push(() => limit.close())
    dispatcher = new Agent({ connections: 1 }).compose(limit)
    const send = async (nth: number): Promise<number> => {
      const body = Readable.from([`order `, String(nth)])
      const { statusCode, body: answer } = await request(provider.url, { dispatcher, method: 'POST', body })
      await answer.dump()
      return statusCode
    }
    expect(await Promise.all([send(0), send(1), send(2)])).toEqual([429, 200, 200])
    expect(early()).toEqual([])
    expect(provider.received.map(({ body }) => body.toString())).toEqual(['order 0', 'order 1', 'order 2'])
  })

  test('holds them back over HTTP/2', async () => {
    const came: number[] = []
    const server = createSecureServer(await selfSigned(), (_request, response) => {
      came.push(performance.now())
      if (came.length > 1) return void response.end('ok')
      setTimeout(() => {
        askedAt = performance.now()
        response.writeHead(429, { 'retry-after': String(WAIT_MS / 1_000) }).end()
      }, 50)
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`
    const stack = resilience({ rateLimit: { limits }, retry: { initialBackoffMs: 1 } })
    closers.push(
      () => stack.close(),
      () => new Promise((resolve) => void server.close(() => resolve())),
    )
    const connect = { rejectUnauthorized: false }
    dispatcher = new Agent({ connections: 1, allowH2: true, maxConcurrentStreams: 1, connect }).compose(stack)
    const get = async (): Promise<number> => {
      const { statusCode, body } = await request(url, { dispatcher })
      await body.dump()
      return statusCode
    }
    expect(await Promise.all([get(), get(), get()])).toEqual([200, 200, 200])
    expect(came.slice(1).filter((at) => at < askedAt + WAIT_MS)).toEqual([])
    await dispatcher.destroy()
  })
})
