import { expect, it } from 'vitest'
import { Pace } from '../../../src/time/pace.ts'

const { signal } = new AbortController()

/** When each of so many turns came, in milliseconds; those that need no wait are counted. */
async function turns(pace: Pace, count: number): Promise<{ atOnce: number; times: number[] }> {
  const start = performance.now()
  const times: number[] = []
  const all = Array.from({ length: count }, async () => {
    expect(await pace.turn(signal)).toBe(true)
    times.push(performance.now() - start)
  })
  // no timer fires before this
  await new Promise<void>((resolve) => process.nextTick(resolve))
  const atOnce = times.length
  await Promise.all(all)
  return { atOnce, times }
}

it('lets the first turn come at once, and the next ones evenly', async () => {
  const { atOnce, times } = await turns(new Pace(50), 4)
  expect(atOnce).toBe(1)
  // timers may fire a millisecond early
  for (const at of [1, 2, 3]) expect(times[at]).toBeGreaterThanOrEqual(at * 20 - 2)
})

it('does not space what has no limit', async () => {
  expect((await turns(new Pace(Infinity), 100)).atOnce).toBe(100)
})

it('ends the wait for a turn when the signal is aborted, and gives none afterwards', async () => {
  const pace = new Pace(0.001)
  const ending = new AbortController()
  expect(await pace.turn(ending.signal)).toBe(true)
  const waiting = pace.turn(ending.signal)
  ending.abort()
  expect(await waiting).toBe(false)
  expect(await new Pace(Infinity).turn(ending.signal)).toBe(false)
})
