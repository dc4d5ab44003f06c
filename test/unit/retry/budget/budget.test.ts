import { describe, expect, it } from 'vitest'
import { RetryBudget } from '../../../../src/retry/budget/budget.ts'
import { RetryBudgets } from '../../../../src/retry/budget/budgets.ts'
import { seeded } from '../../../support/simulation/random.ts'

const policy = { ratio: 0.2, perSecond: 1, burst: 50 }
const take = (budget: RetryBudget, now: number): boolean => budget.tryTake(now)
const takeAll = (budget: RetryBudget, now: number): number => {
  let taken = 0
  while (take(budget, now)) taken++
  return taken
}

describe('RetryBudget', () => {
  it('lets 50 retries of a quiet origin through before anything has been paid', () => {
    const budget = new RetryBudget(policy, 0)
    expect(takeAll(budget, 0)).toBe(50)
    expect(budget).toMatchObject({ retries: 50, refused: 0 })
  })

  it('lets one more through for each five successes, and for each second', () => {
    const budget = new RetryBudget(policy, 0)
    takeAll(budget, 0)
    for (let success = 0; success < 5; success++) budget.succeeded(false)
    expect(takeAll(budget, 0)).toBe(1)
    expect(takeAll(budget, 2_999)).toBe(2)
    expect(takeAll(budget, 3_000)).toBe(1)
  })

  it('gets a retry that succeeded wholly back', () => {
    const budget = new RetryBudget(policy, 0)
    for (let retry = 0; retry < 1_000; retry++) {
      expect(take(budget, 0)).toBe(true)
      budget.succeeded(true)
    }
  })

  it('saves nothing up: after any peace the room is what it is', () => {
    const budget = new RetryBudget(policy, 0)
    for (let success = 0; success < 10_000; success++) budget.succeeded(false)
    expect(takeAll(budget, 3_600_000)).toBe(50)
  })

  it('has room for the calls of the last second, and not for those of before', () => {
    const budget = new RetryBudget(policy, 0)
    for (let now = 0; now < 10_000; now++) budget.called(now)
    expect(budget.room(9_999)).toBeCloseTo(1_000, -1)
    expect(budget.room(10_500)).toBeCloseTo(500, -1)
    expect(budget.room(12_000)).toBe(50)
    expect(budget.room(1_000_000)).toBe(50)
  })

  it('gives back what was not sent', () => {
    const budget = new RetryBudget(policy, 0)
    takeAll(budget, 0)
    budget.giveBack()
    expect(takeAll(budget, 0)).toBe(1)
    expect(budget.retries).toBe(50)
  })

  it('never lets more through than its room and what was paid, whatever happens (200 random runs)', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const chance = seeded(seed)
      const own = { ratio: chance(), perSecond: chance() * 3, burst: 1 + Math.floor(chance() * 60) }
      const budget = new RetryBudget(own, 0)
      let now = 0
      let paid = 0
      let taken = 0
      let room = own.burst
      let over = 0
      for (let step = 0; step < 500; step++) {
        now += chance() * 100
        room = Math.max(room, budget.room(now))
        const what = chance()
        if (what < 0.3) budget.called(now)
        else if (what < 0.5) {
          const retry = chance() < 0.3
          budget.succeeded(retry)
          paid += own.ratio + (retry ? 1 : 0)
        } else if (take(budget, now)) taken++
        over = Math.max(over, taken - room - paid - (now / 1_000) * own.perSecond)
      }
      expect(over, `seed ${seed}`).toBeLessThanOrEqual(1e-6)
    }
  })

  // all that it lets through but for the first second's worth is `perSecond`, in each process; see docs/retry-budget.md
  it.each([
    [1, 10, 1.11],
    [1, 30, 1.04],
    [1, 60, 1.02],
    [8, 10, 1.13],
    [8, 30, 1.05],
    [8, 60, 1.03],
  ])(
    'makes of an outage of 1,000 calls/s, over %i processes and %i s, at most %d attempts per call',
    (processes, seconds, bound) => {
      for (let seed = 1; seed <= 3; seed++) {
        const chance = seeded(seed)
        let calls = 0
        let retries = 0
        for (let process = 0; process < processes; process++) {
          const budget = new RetryBudget(policy, 0)
          const next = (now: number): number => now - Math.log(1 - chance()) * processes
          for (let now = next(0); now <= seconds * 1_000; now = next(now)) {
            calls += 1
            budget.called(now)
            retries += takeAll(budget, now)
          }
        }
        expect(1 + retries / calls, `seed ${seed}`).toBeLessThanOrEqual(bound)
      }
    },
  )
})

describe('RetryBudgets', () => {
  it('keeps the budgets of 1,000 origins, and forgets first one that owes nothing', () => {
    const budgets = new RetryBudgets(policy)
    const now = performance.now()
    budgets.of('https://owes.example', now).tryTake(now)
    for (let origin = 0; origin < 1_500; origin++) budgets.of(`https://${origin}.example`, now)
    expect(budgets.list()).toHaveLength(1_000)
    expect(budgets.state('https://owes.example').retries).toBe(1)
  })

  it('tells of an origin that was never called what it would let through', () => {
    expect(new RetryBudgets(policy).state('https://api.example.com')).toEqual({
      key: 'https://api.example.com',
      left: 50,
      room: 50,
      retries: 0,
      refused: 0,
    })
  })
})
