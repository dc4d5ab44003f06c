import { describe, expect, it } from 'vitest'
import { Aimd, aimdPolicy } from '../../../src/bulkhead/aimd.ts'
import { seeded } from '../../support/simulation/random.ts'
import { VirtualClock } from '../../support/simulation/virtual-clock.ts'

describe('a bound that follows its provider', () => {
  it('loses a tenth by a refusal, once for all that were in flight then', () => {
    const aimd = new Aimd({ start: 100, min: 1, max: 100 })
    aimd.overloaded(0, 10)
    aimd.overloaded(5, 11)
    expect(aimd.limit).toBe(90)
    aimd.overloaded(10, 20)
    expect(aimd.limit).toBe(81)
  })

  it('gains one by as many answers as it is, while it holds calls back, and nothing else', () => {
    const aimd = new Aimd({ start: 10, min: 1, max: 12 })
    for (let answer = 0; answer < 100; answer++) aimd.answered(false)
    expect(aimd.limit).toBe(10)
    for (let answer = 0; answer < 11; answer++) aimd.answered(true)
    expect(aimd.limit).toBe(11)
    for (let answer = 0; answer < 100; answer++) aimd.answered(true)
    expect(aimd.limit).toBe(12)
  })

  it('never goes below its least', () => {
    const aimd = new Aimd({ start: 10, min: 4, max: 12 })
    for (let at = 0; at < 50; at++) aimd.overloaded(at, at)
    expect(aimd.limit).toBe(4)
  })

  it('begins with `limit`, and goes no further than it unless `max` says so', () => {
    expect(aimdPolicy(20, { min: 1, max: undefined })).toEqual({ start: 20, min: 1, max: 20 })
    expect(aimdPolicy(20, { min: 1, max: 50 })).toEqual({ start: 20, min: 1, max: 50 })
    expect(aimdPolicy(20, { min: 30, max: undefined })).toEqual({ start: 30, min: 30, max: 30 })
  })

  it('comes to what a provider takes that refuses what is more (40 in flight, 200 wanted)', () => {
    const refusedOf = (adaptive: boolean, forMs: number): { refused: number; served: number } => {
      const random = seeded(7)
      const clock = new VirtualClock(0, random)
      const aimd = new Aimd({ start: 200, min: 1, max: 200 })
      let inFlight = 0
      let refused = 0
      let served = 0
      const send = (): void => {
        while (inFlight < (adaptive ? aimd.limit : 200)) {
          inFlight += 1
          const startedAt = clock.now()
          const over = inFlight > 40
          clock.after(over ? 2 : 40 + random() * 20, () => {
            const full = inFlight >= aimd.limit
            inFlight -= 1
            if (over) {
              refused += 1
              aimd.overloaded(startedAt, clock.now())
            } else {
              served += 1
              aimd.answered(full)
            }
          })
        }
      }
      while (clock.now() < forMs) {
        send()
        clock.step()
      }
      return { refused, served }
    }
    const fixed = refusedOf(false, 1_000)
    const following = refusedOf(true, 20_000)
    expect(following.refused / (following.refused + following.served)).toBeLessThan(0.1)
    expect(fixed.refused / (fixed.refused + fixed.served)).toBeGreaterThan(0.9)
    expect(following.served / 20).toBeGreaterThan(0.85 * fixed.served)
  })
})
