import { expect, it } from 'vitest'
import { Outage } from '../../../../../src/rate-limit/shared/lone/outage.ts'
import { Strain } from '../../../../../src/time/strain.ts'
import { VirtualClock } from '../../../../support/simulation/virtual-clock.ts'

const outageOf = (clock = new VirtualClock()): Outage => new Outage(clock, new Strain(clock, 100))

/** The store fails at once; asked again when `Outage` says so. Until `ms` have passed. */
async function failing(outage: Outage, clock: VirtualClock, ms: number) {
  const told: { readonly at: number; readonly lasts: boolean; readonly retryMs: number }[] = []
  const end = clock.now() + ms
  while (clock.now() < end) {
    const at = clock.now()
    const said = outage.failed(at, at)
    told.push({ at, ...said })
    await clock.advance(said.retryMs)
  }
  return told
}

it('is feared from the first exchange that fails, and over with the first that is answered', () => {
  const outage = outageOf()
  expect(outage.isFeared).toBe(false)
  outage.failed(0, 10)
  expect(outage.isFeared).toBe(true)
  outage.answered(1)
  expect(outage.isFeared).toBe(false)
})

it('lasts after 600 ms without an answer, counted from before the first one was asked for', () => {
  const outage = outageOf()
  expect(outage.failed(100, 350).lasts).toBe(false)
  expect(outage.failed(380, 699).lasts).toBe(false)
  expect(outage.failed(380, 700).lasts).toBe(true)
  outage.answered(1)
  expect(outage.failed(800, 900).lasts).toBe(false)
})

it('has the store asked again soon at first, and about every second where it is out of reach', async () => {
  const clock = new VirtualClock()
  const told = await failing(outageOf(clock), clock, 10_000)
  for (const { at, lasts, retryMs } of told) {
    expect(lasts).toBe(at >= 600)
    expect(retryMs).toBe(lasts ? 750 : 35)
  }
})

it('has a store that does not answer in time asked half as often as one that refuses', () => {
  const outage = outageOf()
  const asked = [0, 300, 600, 1_300, 2_900, 6_200].map((at) => outage.failed(at, at + 250).retryMs)
  expect(asked).toEqual([35, 35, 1_500, 1_500, 1_500, 1_500])
  // one that is quick again for a while, and then refuses, is asked as before
  for (let times = 0; times < 20; times++) outage.answered(1)
  expect(
    [outage.failed(10_000, 10_000), outage.failed(10_000, 10_700)].map(({ retryMs }) => retryMs),
  ).toEqual([35, 1_500])
})
