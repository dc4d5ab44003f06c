import { describe, expect, it } from 'vitest'
import { Ramp } from '../../../src/rate-limit/ramp.ts'

/** How many of those that always want to go may go, second by second. */
function perSecond(ramp: Ramp, from: number, seconds: number): number[] {
  return Array.from({ length: seconds }, (_, second) => {
    let gone = 0
    for (let ms = 0; ms < 1_000; ms += 5) if (ramp.take(from + second * 1_000 + ms)) gone += 1
    return gone
  })
}

describe('a ramp', () => {
  it('holds nobody back before a refusal', () => {
    expect(perSecond(new Ramp(), 0, 1)).toEqual([200])
  })

  it('lets come back 0.7 of what was sent, and 15 % more each second', () => {
    const ramp = new Ramp()
    ramp.refused(1_000, 20, 3_000)
    const rates = perSecond(ramp, 3_000, 5)
    expect(rates[0]).toBeGreaterThanOrEqual(14)
    expect(rates[0]).toBeLessThanOrEqual(17)
    for (let second = 1; second < rates.length; second++) {
      expect(rates[second]! / rates[second - 1]!).toBeGreaterThan(1.05)
      expect(rates[second]! / rates[second - 1]!).toBeLessThan(1.25)
    }
  })

  it('takes refusals that come close together for one, and a later one for another', () => {
    const ramp = new Ramp()
    ramp.refused(1_000, 20, 1_100)
    ramp.refused(1_400, 20, 1_500)
    expect(perSecond(ramp, 1_500, 1)[0]).toBeGreaterThanOrEqual(14)
    ramp.served()
    ramp.refused(2_600, 20, 3_000)
    const [slower] = perSecond(ramp, 3_000, 1)
    expect(slower).toBeLessThanOrEqual(14)
    expect(slower).toBeGreaterThanOrEqual(9)
  })

  it('takes no refusal for one of its rate before the provider has taken any call', () => {
    const ramp = new Ramp()
    ramp.refused(1_000, 20, 3_000)
    for (let at = 3_000; at < 20_000; at += 2_000) ramp.refused(at + 20, 0, at + 2_000)
    expect(perSecond(ramp, 21_000, 1)[0]).toBeGreaterThanOrEqual(14)
  })

  it('never becomes slower than 0.3 of what was sent before', () => {
    const ramp = new Ramp()
    ramp.refused(0, 20, 1_000)
    for (let at = 1_000; at < 20_000; at += 1_000) {
      ramp.served()
      ramp.refused(at, 0, at + 1_000)
    }
    expect(perSecond(ramp, 20_000, 1)[0]).toBeGreaterThanOrEqual(6)
  })

  it('is forgotten 10 s after it held somebody back for the last time', () => {
    const ramp = new Ramp()
    ramp.refused(0, 2, 1_000)
    expect(ramp.take(1_000)).toBe(true)
    expect(ramp.holds(10_900)).toBe(true)
    expect(ramp.holds(11_100)).toBe(false)
  })

  it('never lets anybody wait longer than it says, nor much less', () => {
    for (const sent of [0, 1, 5, 40]) {
      const ramp = new Ramp()
      ramp.refused(0, sent, 1_000)
      const at = ramp.nextAt(1_000, 9)
      let gone = 0
      let now = 1_000
      while (gone < 10) {
        if (ramp.take(now)) gone += 1
        else now += 1
      }
      expect(now, `${sent} per second`).toBeLessThanOrEqual(at + 5)
      expect(now, `${sent} per second`).toBeGreaterThan(at * 0.75)
    }
  })
})
