import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  channels,
  memoryStore,
  resilience,
  type ResilienceOptions,
  ShutdownError,
} from '../../../src/index.ts'
import {
  ok,
  type Provider,
  type Reply,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider

beforeAll(async () => {
  provider = await startProvider()
})
afterAll(() => provider.close())

describe('closing the stack while calls wait', () => {
  it('ends them with a ShutdownError and keeps each as a dead letter that is not due before the provider wants', async () => {
    provider.start([status(503, { 'retry-after': '30' })])
    let waiting = 0
    const count = (): void => void waiting++
    channels.retryScheduled.subscribe(count)
    const stack = resilience({ integration: 'shop' })
    const dispatcher = new Agent().compose(stack)
    const calls = Array.from({ length: 5 }, (_, n) =>
      n % 2 === 0
        ? request(`${provider.url}/${n}`, { dispatcher, method: 'PUT', body: `order ${n}` })
        : fetch(`${provider.url}/${n}`, via(dispatcher, { method: 'PUT', body: `order ${n}` })),
    )
    const failures = Promise.allSettled(calls)
    // all of them wait: the stack has heard each 503
    await expect.poll(() => waiting).toBe(5)
    channels.retryScheduled.unsubscribe(count)
    const before = Date.now()
    await stack.close()
    for (const result of await failures) {
      const reason: unknown = result.status === 'rejected' ? result.reason : undefined
      const error = reason instanceof TypeError ? reason.cause : reason
      expect(error).toBeInstanceOf(ShutdownError)
      expect(error).toMatchObject({ attempts: 1, deadLetterId: expect.any(String) as string })
    }
    expect(Date.now() - before).toBeLessThan(5_000)
    const { items } = await stack.deadLetters.list()
    expect(items).toHaveLength(5)
    for (const { id, reason, delivery, dueAt, attempts } of items) {
      expect({ reason, delivery, attempts }).toEqual({
        reason: 'shutdown',
        delivery: 'responded',
        attempts: 1,
      })
      expect(dueAt).toBeGreaterThan(before + 25_000)
      expect(String((await stack.deadLetters.get(id))?.request.body)).toMatch(/^order \d$/)
    }
    await dispatcher.close()
  })

  it('hands on the failure of a call that would only now begin to wait', async () => {
    provider.start([status(503), ok])
    const stack = resilience()
    const dispatcher = new Agent().compose(stack)
    await stack.close()
    expect((await request(provider.url, { dispatcher })).statusCode).toBe(503)
    await dispatcher.close()
  })

  it('ends those that wait for a probe of the circuit, as calls that made no attempt', async () => {
    const probe = Promise.withResolvers<never>()
    const store = memoryStore()
    const circuit = store.circuits.circuit.bind(store.circuits)
    // a shared store that does not answer whether a probe may go
    store.circuits.circuit = (key, policy) => {
      const made = circuit(key, policy)
      made.admit = () => probe.promise
      made.passing = false
      return made
    }
    const stack = resilience({ store })
    const dispatcher = new Agent().compose(stack)
    const sent = request(provider.url, { dispatcher, method: 'PUT', body: 'order' })
    const failed = expect(sent).rejects.toMatchObject({ code: 'ERR_SHUTDOWN', attempts: 0 })
    await stack.close()
    await failed
    const { items } = await store.deadLetters.list()
    expect(items).toMatchObject([{ reason: 'shutdown', delivery: 'not-sent', attempts: 0, history: [] }])
    await dispatcher.close()
  })
})

/** A call that has begun to wait: nothing of its body was read, as in one that was refused before it sent any. */
describe.each<[string, ResilienceOptions, Reply | 'refused']>([
  ['in a backoff', { retry: { initialBackoffMs: 5_000 } }, 'refused'],
  [
    'for a short opening',
    {
      retry: false,
      circuitBreaker: {
        failureThreshold: 1,
        failureRate: 0,
        minimumRequests: 1,
        timeoutMs: 5_000,
        maxWaitMs: 30_000,
      },
    },
    status(503),
  ],
  ['for a permit', { retry: false, rateLimit: { limits: [{ limit: 1, intervalMs: 20_000 }] } }, ok],
  ['for a slot', { retry: false, bulkhead: { limit: 1 } }, silence],
])('closing the stack while a call waits %s whose body is unread', (_where, options, reply) => {
  it.each<[string, () => Pick<RequestInit, 'body'> & { duplex?: 'half' }]>([
    ['a string', () => ({ body: 'order 7' })],
    ['a stream', () => ({ body: new Blob(['order 7']).stream(), duplex: 'half' })],
  ])('keeps it as a dead letter with its body, %s', async (_what, init) => {
    const target = await startProvider(reply === 'refused' ? ok : reply)
    if (reply === 'refused') await target.close()
    const stack = resilience(options)
    const dispatcher = new Agent().compose(stack)
    const first = new AbortController()
    // it opens the circuit, or takes the permit or the slot
    const before =
      reply === 'refused'
        ? undefined
        : fetch(target.url, via(dispatcher, { signal: first.signal })).catch(() => undefined)
    if (reply === silence) await expect.poll(() => target.received.length).toBe(1)
    else await before
    const waits = Promise.withResolvers<void>()
    const begun = ({ method }: { method: string }): void => void (method === 'PUT' && waits.resolve())
    const channel = reply === 'refused' ? channels.retryScheduled : channels.callStart
    const call = (): Promise<Response> => fetch(target.url, via(dispatcher, { method: 'PUT', ...init() }))
    channel.subscribe(begun)
    const failed = expect(call()).rejects.toMatchObject({ cause: { code: 'ERR_SHUTDOWN' } })
    await waits.promise
    channel.unsubscribe(begun)
    await stack.close()
    await failed
    const { items } = await stack.deadLetters.list({ reason: 'shutdown' })
    const puts = items.filter(({ request }) => request.method === 'PUT')
    expect(puts).toHaveLength(1)
    expect(String((await stack.deadLetters.get(puts[0]!.id))?.request.body)).toBe('order 7')
    first.abort()
    await before
    await dispatcher.destroy()
    if (reply !== 'refused') await target.close()
  })
})
