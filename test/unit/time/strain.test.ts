import { expect, test } from 'vitest'
import { Strain } from '../../../src/time/strain.ts'
import { VirtualClock } from '../../support/simulation/virtual-clock.ts'

const SLOW_MS = 100
/** @param chance what is drawn; 0.5: the middle */
const strainOf = (chance = 0.5): Strain => new Strain(new VirtualClock(0, () => chance), SLOW_MS)

test('asks for no longer pause than it has to while exchanges are quick, and leaves nothing to chance', () => {
  for (const chance of [0, 0.99]) {
    const strain = strainOf(chance)
    for (let times = 0; times < 10; times++) strain.answered(SLOW_MS)
    expect([strain.isEased, strain.pauseMs(250)]).toEqual([true, 250])
  }
})

test('doubles the pause with each exchange that takes too long, whether it is answered or given up, up to 16 times', () => {
  const strain = strainOf()
  strain.answered(SLOW_MS + 1)
  expect([strain.isEased, strain.pauseMs(250)]).toEqual([false, 500])
  strain.failed(SLOW_MS + 1)
  expect(strain.pauseMs(250)).toBe(1_000)
  for (let times = 0; times < 10; times++) strain.failed(SLOW_MS + 1)
  expect(strain.pauseMs(250)).toBe(4_000)
})

test('shortens it again step by step: who eases off at once presses too hard at once', () => {
  const strain = strainOf()
  strain.failed(SLOW_MS + 1)
  strain.failed(SLOW_MS + 1)
  const pauses = Array.from({ length: 14 }, () => {
    strain.answered(1)
    return Math.floor(strain.pauseMs(100))
  })
  expect(pauses).toEqual([360, 324, 291, 262, 236, 212, 191, 172, 154, 139, 125, 112, 101, 100])
  expect(strain.isEased).toBe(true)
})

test('takes what fails at once for no strain, and for no ease', () => {
  const strain = strainOf()
  strain.failed(0)
  expect(strain.isEased).toBe(true)
  strain.failed(SLOW_MS + 1)
  strain.failed(0)
  expect(strain.pauseMs(100)).toBe(200)
})

test('spreads the clients of a server that is strained, or back for all of them at once', () => {
  const pauses = [0, 0.5, 0.99].map((chance) => {
    const strain = strainOf(chance)
    strain.expectMany()
    return strain.pauseMs(100)
  })
  expect(pauses).toEqual([400, 800, 1_192])
})

test('spreads also those whose pause has grown to the most that is useful: they would all come again at the same time', () => {
  const pauses = [0, 0.5, 0.99].map((chance) => {
    const strain = strainOf(chance)
    for (let times = 0; times < 4; times++) strain.failed(SLOW_MS + 1)
    return strain.pauseMs(250, 1_000)
  })
  expect(pauses).toEqual([500, 1_000, 1_490])
})
