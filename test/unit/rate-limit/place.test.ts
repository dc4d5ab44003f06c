import { expect, test } from 'vitest'
import { Place } from '../../../src/rate-limit/place.ts'
import { seeded } from '../../support/simulation/random.ts'

test('counts what was sent in the busiest of two seconds, ten and a minute, as a log of every call would', () => {
  const random = seeded(7)
  for (let run = 0; run < 50; run++) {
    const place = new Place('https://api.example.com')
    const sentAt: number[] = []
    let now = random() * 10_000
    for (let step = 0; step < 200; step++) {
      now += random() < 0.1 ? random() * (random() < 0.1 ? 100_000 : 4_000) : random() * 100
      if (random() < 0.7) {
        place.count(now)
        sentAt.push(now)
      } else {
        const since = (parts: number) => {
          const from = (Math.floor(now / 500) - parts + 1) * 500
          return sentAt.filter((at) => at >= from).length / (parts / 2)
        }
        expect(place.perSecond(now)).toBe(Math.max(since(4), since(20), since(120)))
      }
    }
  }
})

test('does not forget what was given to the connections at once while they work it off', () => {
  const place = new Place('https://api.example.com')
  for (let call = 0; call < 500; call++) place.count(1_000)
  expect(place.perSecond(1_400)).toBe(250)
  expect(place.perSecond(5_000)).toBe(50)
  expect(place.perSecond(30_000)).toBeCloseTo(8.3, 1)
  expect(place.perSecond(62_000)).toBe(0)
})
