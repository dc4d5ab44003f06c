import { expect, test } from 'vitest'
import { Place } from '../../../src/rate-limit/place.ts'
import { seeded } from '../../support/random.ts'

test('counts what was sent in the half second of now and the three before, as a log of every call would', () => {
  const random = seeded(7)
  for (let run = 0; run < 50; run++) {
    const place = new Place('https://api.example.com')
    const sentAt: number[] = []
    let now = random() * 10_000
    for (let step = 0; step < 200; step++) {
      now += random() < 0.1 ? random() * 4_000 : random() * 100
      if (random() < 0.7) {
        place.count(now)
        sentAt.push(now)
      } else {
        const from = (Math.floor(now / 500) - 3) * 500
        expect(place.perSecond(now)).toBe(sentAt.filter((at) => at >= from).length / 2)
      }
    }
  }
})
