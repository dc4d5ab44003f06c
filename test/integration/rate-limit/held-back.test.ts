import { createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { Agent, type Dispatcher, interceptors, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { rateLimit, resilience, type ResilienceOptions } from '../../../src/index.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'
import { selfSigned } from '../../support/servers/certificate.ts'

const WAIT_MS = 1_000
const limits = [{ limit: 100, intervalMs: 10_000 }]

let provider: Provider
/** When the provider asked for the wait. */
let askedAt: number
let dispatcher: Dispatcher
const closers: (() => Promise<void>)[] = []

/** Everything but the first request must come after the wait. */
const early = () => provider.received.filter(({ at }, nth) => nth > 0 && at < askedAt + WAIT_MS)
const post = async (nth: number): Promise<number> => {
  const init = { method: 'PUT', body: `order ${nth}` }
  return (await fetch(provider.url, via(dispatcher, init))).status
}

beforeEach(async () => {
  provider = await startProvider(async (received, response, socket) => {
    // the others are in the queue of the one connection by then
    await new Promise((resolve) => setTimeout(resolve, 50))
    askedAt = performance.now()
    await status(429, { 'retry-after': String(WAIT_MS / 1_000) })(received, response, socket)
  }, ok)
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
    const limit = rateLimit({ limits })
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
