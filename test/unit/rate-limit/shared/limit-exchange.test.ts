import { expect, it } from 'vitest'
import type { LimitRule } from '../../../../src/rate-limit/limit.ts'
import type { LimitReply } from '../../../../src/rate-limit/shared/backend.ts'
import { LimitExchange } from '../../../../src/rate-limit/shared/limit-exchange.ts'
import { LoneMode } from '../../../../src/rate-limit/shared/lone/lone-mode.ts'
import { NextExchange } from '../../../../src/rate-limit/shared/next-exchange.ts'
import { Permits } from '../../../../src/rate-limit/shared/permits.ts'
import { Tally } from '../../../../src/rate-limit/shared/tally.ts'
import { SlidingWindow } from '../../../../src/rate-limit/sliding-window.ts'
import { VirtualClock } from '../../../support/simulation/virtual-clock.ts'

const rule: LimitRule = { limit: 100, intervalMs: 10_000, windowMs: 10_200, reserved: 0, cost: undefined }

/** A process that uses a unit every 20 ms, and a store that answers after `latencyMs`, or not within 250 ms. */
function scene() {
  const clock = new VirtualClock(1_000)
  const history = new SlidingWindow(rule.windowMs)
  const lone = new LoneMode(rule, history, 4, clock.now())
  const facts = {
    by: 'a',
    id: 'key',
    name: '10000',
    rule,
    permits: new Permits(),
    tally: new Tally(),
    history,
    lone,
    next: new NextExchange(clock, () => void clock.after(0, answer)),
  }
  const store = { latencyMs: 1, asked: [] as number[] }
  function answer(): void {
    const request = exchange.request()
    if (request === undefined) return
    const sentAt = clock.now()
    store.asked.push(sentAt)
    if (store.latencyMs > 250) {
      clock.after(250, () => exchange.failed(sentAt))
      return
    }
    const reply: LimitReply = {
      status: 'same',
      generation: 'one',
      kept: request.held,
      live: 0,
      background: 0,
      spare: 0,
      used: request.used,
      free: 20,
      processes: 4,
      scarce: false,
      retryInMs: undefined,
      holdMs: 0,
      profile: [],
    }
    clock.after(store.latencyMs, () => exchange.answered(request, reply, sentAt))
  }
  const exchange = new LimitExchange(facts, () => undefined, clock)
  const use = async (ms: number): Promise<number> => {
    store.asked.length = 0
    for (let passed = 0; passed < ms; passed += 20) {
      facts.tally.used += 1
      facts.tally.usedAt = clock.now()
      if (lone.share === undefined) exchange.tellLater()
      await clock.advance(20)
    }
    return store.asked.length / (ms / 1_000)
  }
  return { clock, store, use, lone }
}

it('tells what was used every tenth of a second, and less often while the store takes longer to answer', async () => {
  const { store, use } = scene()
  const quick = await use(5_000)
  expect(quick).toBeGreaterThan(4)
  store.latencyMs = 150
  await use(5_000)
  const slow = await use(10_000)
  expect(slow).toBeLessThanOrEqual(quick / 4)
  // what is held is valid for two seconds
  expect(slow).toBeGreaterThanOrEqual(1)
  store.latencyMs = 1
  await use(20_000)
  expect(await use(5_000)).toBeCloseTo(quick, 0)
})

it('asks a store that does not answer once in one or two seconds, and goes on alone meanwhile', async () => {
  const { store, use, lone } = scene()
  await use(1_000)
  store.latencyMs = Infinity
  await use(2_000)
  expect(lone.share).toBeDefined()
  expect(await use(20_000)).toBeLessThanOrEqual(1)
})
