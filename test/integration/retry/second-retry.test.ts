import { Agent, type Dispatcher, interceptors, request, RetryAgent } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resilience, type ResilienceStack, retry, withCallOptions } from '../../../src/index.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'

let provider: Provider
let stack: ResilienceStack
const warnings: string[] = []
const agents: Agent[] = []
beforeEach(async () => {
  provider = await startProvider(status(503))
  stack = resilience({ retry: quick, circuitBreaker: false, deadLetter: false })
  warnings.length = 0
  vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await stack.close()
  for (const agent of agents.splice(0)) await agent.destroy()
  await provider.close()
})

function agent(): Agent {
  const made = new Agent()
  agents.push(made)
  return made
}

const quick = { maxAttempts: 2, initialBackoffMs: 1, jitter: 'none', budget: false } as const
const quickly = { maxRetries: 1, minTimeout: 1, maxTimeout: 1 }
const undicis = interceptors.retry(quickly)
const redirect = interceptors.redirect({ maxRedirections: 1 })

async function sent(dispatcher: Dispatcher, times = 2): Promise<void> {
  for (let i = 0; i < times; i++) {
    const answer = await request(provider.url, { dispatcher }).catch((error: unknown) => error)
    if (!(answer instanceof Error)) await (answer as Dispatcher.ResponseData).body.dump()
  }
}

const ABOVE = "undici's own retry is above this one and repeats each call"
const UNDER = "undici's own retry is under this one and repeats each attempt"
const OURS = 'two of undici-resilience are composed in one dispatcher'

describe('a second retry in the same dispatcher makes more attempts than either allows, which is said once', () => {
  it.each<[string, string, number, () => Dispatcher]>([
    ['above', ABOVE, 8, () => agent().compose(stack, undicis)],
    ['above a redirect', ABOVE, 8, () => agent().compose(stack, redirect, undicis)],
    ['as RetryAgent', ABOVE, 8, () => new RetryAgent(agent().compose(stack), quickly)],
    ['under', UNDER, 8, () => agent().compose(undicis, stack)],
    ['under a redirect', UNDER, 8, () => agent().compose(undicis, redirect, stack)],
    ['under, as RetryAgent', UNDER, 8, () => new RetryAgent(agent(), quickly).compose(stack)],
    ['of ours above', OURS, 6, () => agent().compose(stack, retry(quick))],
    ['of ours under', OURS, 6, () => agent().compose(retry(quick), stack)],
  ])('%s', async (_where, other, attempts, dispatcher) => {
    await sent(dispatcher())
    expect(provider.received).toHaveLength(attempts)
    expect(warnings).toEqual([
      `GET ${provider.url}/ goes through two retries, which make more attempts than either allows: ${other}; leave one out`,
    ])
  })

  it.each<[string, () => Dispatcher]>([
    ['alone', () => agent().compose(stack)],
    ['with a redirect', () => agent().compose(redirect, stack, redirect)],
    ['off, under that of undici', () => agent().compose(resilience({ retry: false }), undicis)],
  ])('and nothing is said where there is one retry: %s', async (_which, dispatcher) => {
    await sent(dispatcher())
    await withCallOptions({ retry: { maxAttempts: 3 } }, () => sent(agent().compose(stack), 1))
    expect(warnings).toEqual([])
  })

  it('nor while calls succeed', async () => {
    provider.start([ok])
    await sent(agent().compose(stack, undicis))
    expect(warnings).toEqual([])
  })
})
