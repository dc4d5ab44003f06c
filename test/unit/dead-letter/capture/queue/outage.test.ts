import { describe, expect, it } from 'vitest'
import { Outage } from '../../../../../src/dead-letter/capture/queue/outage.ts'

describe('an outage of a store', () => {
  it('asks timers, which drop fractions and fire a millisecond early, for a wait that no try undercuts', () => {
    let now = 0.4
    const outage = new Outage({ now: () => now, random: () => 0.123 })
    for (let failures = 0; failures < 6; failures++) {
      outage.failed()
      const timerMs = Math.trunc(outage.waitMs) - 0.99
      // twice the one before, each drawn from its upper half
      expect(Math.abs(timerMs - 56.15 * 2 ** failures)).toBeLessThan(2)
      now += timerMs
      expect(outage.mayTry).toBe(true)
    }
  })
})
