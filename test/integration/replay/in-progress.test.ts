import { Agent, type Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resilience, type ResilienceOptions, type ResilienceStack } from '../../../src/resilience.ts'
import {
  ok,
  type Provider,
  type Reply,
  reset,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider
let agent: Agent
let stack: ResilienceStack
let dispatcher: Dispatcher
beforeEach(async () => {
  provider = await startProvider()
  agent = new Agent()
})
afterEach(async () => {
  await stack.close()
  await agent.destroy()
  await provider.close()
})

/** A POST with a key, through a whole stack. */
async function order(replies: Reply[], options: ResilienceOptions = {}, key = true): Promise<number> {
  provider.replies = replies
  stack = resilience({ circuitBreaker: false, ...options })
  dispatcher = agent.compose(stack)
  const headers = key ? { 'idempotency-key': 'order-1' } : {}
  const response = await fetch(provider.url, via(dispatcher, { method: 'POST', body: 'order', headers }))
  await response.text()
  return response.status
}

const quick = { initialBackoffMs: 1 }
const conflict = status(409, {}, '{"error":"key in use"}')

describe('after an attempt with the same key that went unanswered', () => {
  it.each([
    ['a timeout', silence, { attemptTimeoutMs: 1_500 }],
    ['a reset', reset, {}],
    ['a gateway that had no answer', status(504), {}],
  ])('a 409 means "not yet": %s', async (_what, first, options) => {
    expect(await order([first, conflict, conflict, ok], { retry: quick, ...options })).toBe(200)
    expect(provider.received.map(({ headers }) => headers['idempotency-key'])).toEqual(
      Array(4).fill('order-1'),
    )
  })

  it('a 425 does too, where `statusCodes` does not know it', async () => {
    expect(await order([reset, status(425), ok], { retry: { ...quick, statusCodes: [503] } })).toBe(200)
  })

  it('is waited out with the backoff, and never before the provider wants it', async () => {
    const began = performance.now()
    expect(await order([reset, status(409, { 'retry-after': '1' }), ok], { retry: quick })).toBe(200)
    expect(performance.now() - began).toBeGreaterThanOrEqual(1000)
  })

  it('is captured when the attempts are used up; the caller gets the 409 as it was', async () => {
    expect(await order([reset, conflict], { retry: { ...quick, maxAttempts: 3 } })).toBe(409)
    expect((await stack.deadLetters.list()).items).toMatchObject([
      {
        reason: 'exhausted',
        delivery: 'unknown',
        attempts: 3,
        idempotencyKey: 'order-1',
        response: { statusCode: 409, body: '{"error":"key in use"}' },
      },
    ])
  })
})

describe('a 409 is the answer', () => {
  it.each<[string, Reply[], ResilienceOptions, boolean]>([
    ['to a first attempt', [conflict, ok], {}, true],
    ['after an attempt that was answered', [status(503), conflict, ok], {}, true],
    ['without a key', [status(429), conflict, ok], {}, false],
    ['where `classify` says so', [reset, conflict, ok], { classify: () => ({ kind: 'permanent' }) }, true],
  ])('%s', async (_what, replies, options, key) => {
    expect(await order(replies, { retry: quick, ...options }, key)).toBe(409)
    expect(provider.received).toHaveLength(replies.length - 1)
    expect((await stack.deadLetters.list()).items).toEqual([])
  })
})
