import { beforeEach, expect, it } from 'vitest'
import type { LimitRule } from '../../../../src/rate-limit/limit.ts'
import type { LimitReply, LimitRequest } from '../../../../src/rate-limit/shared/backend.ts'
import { Permits } from '../../../../src/rate-limit/shared/permits.ts'
import { Tally } from '../../../../src/rate-limit/shared/tally.ts'
import { Wants } from '../../../../src/rate-limit/shared/wants.ts'

const rule: LimitRule = { limit: 100, intervalMs: 10_000, windowMs: 10_200, reserved: 0, cost: undefined }
const ofNobody = { all: 0, first: 0 }

let wants: Wants
let tally: Tally
let permits: Permits
beforeEach(() => {
  tally = new Tally()
  wants = new Wants(rule, tally, 0)
  permits = new Permits()
})

/** The server answers what was asked for now, when so many permits are held. */
function hears(reply: Partial<LimitReply>, held = permits.units): void {
  const asked = wants.told(permits, 0) as LimitRequest
  wants.heard(asked, { live: 0, background: 0, free: 100, scarce: false, ...reply } as LimitReply, held)
}

it('asks for what calls wait for beyond what is held, and for no less than the first of them needs', () => {
  permits.hold(5, 2)
  wants.live = { all: 10, first: 4 }
  wants.background = { all: 3, first: 3 }
  expect(wants.told(permits, 0)).toMatchObject({ live: 7, background: 1, liveLeast: 1, backgroundLeast: 1 })
  expect(wants.missing(permits)).toBe(7)
  permits.hold(0, 0)
  expect(wants.told(permits, 0)).toMatchObject({ live: 10, background: 3, liveLeast: 4, backgroundLeast: 3 })
})

it('is patient while only background calls wait', () => {
  expect([wants.waits, wants.isPatient]).toEqual([false, false])
  wants.background = { all: 1, first: 1 }
  expect([wants.waits, wants.isPatient]).toEqual([true, true])
  wants.live = { all: 1, first: 1 }
  expect([wants.waits, wants.isPatient]).toEqual([true, false])
})

it('wants a stock of what it uses in half a second, of more where there is ample, and of none once it is idle', () => {
  Object.assign(tally, { used: 20, usedAt: 2_000 })
  wants.measure(2_000)
  expect(wants.stock(2_000)).toBe(5)
  hears({ free: 90 })
  expect(wants.stock(2_000)).toBe(20)
  expect(wants.stock(12_001)).toBe(0)
})

it('wants no stock where others wait, and says little only while there is ample', () => {
  tally.usedAt = 0
  hears({ free: 90 })
  const seldom = wants.rhythm.reportMs
  hears({ free: 0, scarce: true })
  expect(wants.stock(0)).toBe(0)
  expect(wants.rhythm.reportMs).toBeLessThan(seldom)
  hears({ free: 90 })
  expect(wants.rhythm.reportMs).toBe(seldom)
  wants.unheard()
  expect(wants.rhythm.reportMs).toBeLessThan(seldom)
})

it('is starved where it waits, holds some, and gets nothing', () => {
  permits.hold(2, 0)
  wants.live = { all: 5, first: 5 }
  hears({ live: 0 })
  expect(wants.starved).toBe(true)
  hears({ live: 3 })
  expect(wants.starved).toBe(false)
  hears({ live: 0 }, 0)
  expect(wants.starved).toBe(false)
  wants.live = ofNobody
  hears({ live: 0 })
  expect(wants.starved).toBe(false)
})
