import { Agent, request } from 'undici'
import { describe, expect, it } from 'vitest'
import { resilience } from '../../../src/index.ts'
import { ok, startProvider, status } from '../../support/calls/provider.ts'
import { restart } from '../../support/processes/restart.ts'

describe.concurrent('a server that restarts with ten calls under way costs a quiet service none', () => {
  it.each([
    { before: 0, downMs: 0 },
    { before: 10, downMs: 0 },
    { before: 0, downMs: 1_000 },
    { before: 10, downMs: 1_000 },
  ])('with $before calls before, its successor there after $downMs ms', async ({ before, downMs }) => {
    const stack = resilience()
    const agent = new Agent()
    const report = await restart(agent.compose(stack), { before, downMs, inFlight: 10 })
    expect(report.errors).toEqual([])
    expect(report.servedMs).toHaveLength(10)
    // within seconds: the waits of five attempts, and of an opening of 1 s
    expect(report.servedMs.at(-1)).toBeLessThan(10_000)
    expect((await stack.deadLetters.stats()).total).toBe(0)
    await stack.close()
    await agent.close()
  })
})

it('POSTs that come to an open circuit wait, and are sent once each', async () => {
  const provider = await startProvider(status(503))
  const stack = resilience({ circuitBreaker: { failureThreshold: 1 } })
  const agent = new Agent()
  const dispatcher = agent.compose(stack)
  const post = async (body: string): Promise<number> => {
    const response = await request(provider.url, { method: 'POST', body, dispatcher })
    await response.body.dump()
    return response.statusCode
  }
  expect(await post('fails')).toBe(503)
  provider.start([ok])
  const began = performance.now()
  const { retryAfterMs } = stack.circuits.state(provider.url)
  const orders = ['one', 'two', 'three', 'four', 'five']
  expect(await Promise.all(orders.map(post))).toEqual(orders.map(() => 200))
  expect(retryAfterMs).toBeGreaterThan(0)
  expect(performance.now() - began).toBeGreaterThanOrEqual(retryAfterMs!)
  expect(provider.received.map(({ body }) => String(body)).sort()).toEqual(orders.toSorted())
  expect(stack.circuits.state(provider.url).state).toBe('closed')
  await stack.close()
  await agent.close()
  await provider.close()
})
