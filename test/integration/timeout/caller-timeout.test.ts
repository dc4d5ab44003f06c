import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resilience } from '../../../src/index.ts'
import { checkCallerTimeout, timeoutSenders } from '../../support/calls/caller-timeout.ts'
import { placements } from '../../support/calls/placements.ts'
import { type Provider, silence, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider

beforeAll(async () => {
  provider = await startProvider()
})
afterAll(() => provider.close())

describe('AbortSignal.timeout() of the caller', () => {
  it.each(timeoutSenders)('counts and is captured, as test/compat checks it: %s', async (sender) => {
    await checkCallerTimeout(sender, provider, { Agent, resilience })
  })

  it('counts against the circuit of an API that hangs, and each call becomes a dead letter', async () => {
    provider.start([silence])
    const stack = resilience({ circuitBreaker: { failureThreshold: 4, minimumRequests: 4 } })
    const dispatcher = new Agent().compose(stack)
    const init = (): RequestInit =>
      via(dispatcher, { method: 'PUT', body: 'order', signal: AbortSignal.timeout(1_500) })
    const results = await Promise.allSettled([
      fetch(provider.url, init()),
      fetch(provider.url, init()),
      request(provider.url, { dispatcher, signal: AbortSignal.timeout(1_500) }),
      request(provider.url, { dispatcher, signal: AbortSignal.timeout(1_500) }),
    ])
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { name: 'TimeoutError' } })
    }
    expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'open' })
    // none was tried again: nobody waits for it any more
    expect(provider.received).toHaveLength(4)
    const { items } = await stack.deadLetters.list()
    expect(items).toHaveLength(4)
    for (const item of items) {
      expect(item).toMatchObject({ reason: 'deadline', delivery: 'unknown', attempts: 1 })
    }
    const put = items.find(({ request: { method } }) => method === 'PUT')
    expect(String((await stack.deadLetters.get(put!.id))?.request.body)).toBe('order')
    await stack.close()
    await dispatcher.close()
  })

  it.each(placements)('captures a call that it ends between two attempts, %s', async (_where, above) => {
    provider.start([status(503)])
    const stack = resilience({ retry: { initialBackoffMs: 60_000, jitter: 'none' } })
    const dispatcher = new Agent().compose(stack, ...above)
    const sent = fetch(provider.url, via(dispatcher, { signal: AbortSignal.timeout(1_500) }))
    await expect(sent).rejects.toMatchObject({ name: 'TimeoutError' })
    const { items } = await stack.deadLetters.list()
    expect(items).toMatchObject([
      { reason: 'deadline', delivery: 'responded', history: [{ statusCode: 503 }] },
    ])
    await stack.close()
    await dispatcher.close()
  })

  it('is no capture and no failure when it is an ordinary abort', async () => {
    provider.start([silence])
    const stack = resilience({ circuitBreaker: { failureThreshold: 1, minimumRequests: 1 } })
    const dispatcher = new Agent().compose(stack)
    const abort = new AbortController()
    const sent = fetch(provider.url, via(dispatcher, { signal: abort.signal }))
    await expect.poll(() => provider.received.length).toBe(1)
    abort.abort()
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
    expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'closed', failures: 0 })
    expect((await stack.deadLetters.list()).items).toEqual([])
    await stack.close()
    await dispatcher.close()
  })
})
