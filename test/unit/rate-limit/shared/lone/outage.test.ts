import { expect, it } from 'vitest'
import { Outage } from '../../../../../src/rate-limit/shared/lone/outage.ts'
import { VirtualClock } from '../../../../support/simulation/virtual-clock.ts'

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
  const outage = new Outage(new VirtualClock())
  expect(outage.isFeared).toBe(false)
  outage.failed(0, 10)
  expect(outage.isFeared).toBe(true)
  outage.answered()
  expect(outage.isFeared).toBe(false)
})

it('lasts after 600 ms without an answer, counted from before the first one was asked for', () => {
  const outage = new Outage(new VirtualClock())
  expect(outage.failed(100, 350).lasts).toBe(false)
  expect(outage.failed(380, 699).lasts).toBe(false)
  expect(outage.failed(380, 700).lasts).toBe(true)
  outage.answered()
  expect(outage.failed(800, 900).lasts).toBe(false)
})

it('has the store asked again soon at first, and about every second where it is out of reach', async () => {
  const clock = new VirtualClock()
  const told = await failing(new Outage(clock), clock, 10_000)
  for (const { at, lasts, retryMs } of told) {
    expect(lasts).toBe(at >= 600)
    expect(retryMs).toBe(lasts ? 750 : 35)
  }
})
