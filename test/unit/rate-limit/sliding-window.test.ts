import { describe, expect, it } from 'vitest'
import { SlidingWindow } from '../../../src/rate-limit/sliding-window.ts'
import { seeded } from '../../support/simulation/random.ts'

describe('a sliding window', () => {
  it('counts a unit for its whole length, and at most a hundredth longer', () => {
    const window = new SlidingWindow(10_000)
    window.add(3, 1_234)
    expect(window.used(1_234 + 9_999)).toBe(3)
    expect(window.used(1_234 + 10_000)).toBe(3)
    expect(window.used(1_234 + 10_100)).toBe(0)
  })

  it('never counts less than a log of every use, whatever the times', () => {
    const random = seeded(7)
    for (let round = 0; round < 50; round++) {
      const windowMs = 100 + random() * 5_000
      const window = new SlidingWindow(windowMs)
      const log: [at: number, units: number][] = []
      let now = random() * 1e6
      for (let step = 0; step < 400; step++) {
        now += random() < 0.05 ? random() * windowMs * 2 : random() * windowMs * 0.03
        const exact = log.reduce((sum, [at, units]) => (now - at < windowMs ? sum + units : sum), 0)
        const late = log.reduce((sum, [at, units]) => (now - at < windowMs * 1.0101 ? sum + units : sum), 0)
        const counted = window.used(now)
        expect(counted).toBeGreaterThanOrEqual(exact)
        expect(counted).toBeLessThanOrEqual(late)
        const units = Math.ceil(random() * 4)
        window.add(units, now)
        log.push([now, units])
      }
    }
  })

  it('says when so many units will have left, as it then is', () => {
    const window = new SlidingWindow(1_000)
    for (let at = 0; at < 500; at += 50) window.add(2, at)
    const leftAt = window.leave(7, 500)
    expect(window.used(leftAt - 1)).toBeGreaterThan(13)
    expect(window.used(leftAt)).toBeLessThanOrEqual(13)
    expect(window.leave(100, 500)).toBe(Infinity)
  })

  it('takes back what was not used, as long as it is in the window', () => {
    const window = new SlidingWindow(1_000)
    window.add(5, 100)
    window.add(5, 600)
    window.remove(2, 100, 700)
    expect(window.used(700)).toBe(8)
    expect(window.used(1_150)).toBe(5)
    window.remove(3, 100, 1_150)
    expect(window.used(1_150)).toBe(5)
  })

  it('tells its history by age', () => {
    const window = new SlidingWindow(1_000)
    window.add(5, 100)
    window.add(1, 600)
    expect([...window.history(700)]).toEqual([
      [590, 5],
      [90, 1],
    ])
  })
})
