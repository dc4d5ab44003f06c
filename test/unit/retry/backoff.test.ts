import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs, type BackoffPolicy, type Jitter } from '../../../src/retry/backoff.ts'

const policy = (overrides: Partial<BackoffPolicy> = {}): BackoffPolicy => ({
  initialBackoffMs: 500,
  backoffMultiplier: 2,
  maxBackoffMs: 30_000,
  jitter: 'none',
  ...overrides,
})

const anyPolicy = fc.record({
  initialBackoffMs: fc.integer({ min: 0, max: 60_000 }),
  backoffMultiplier: fc.double({ min: 1, max: 10, noNaN: true }),
  maxBackoffMs: fc.integer({ min: 0, max: 2_147_483_647 }),
  jitter: fc.constantFrom<Jitter>('full', 'equal', 'decorrelated', 'none'),
})
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('backoffMs', () => {
  it('doubles from the initial wait up to the longest one', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => backoffMs(policy(), attempt, 0, 0))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
    ])
  })

  it('spreads a full jitter over the whole base and an equal one over its upper half', () => {
    expect(backoffMs(policy({ jitter: 'full' }), 2, 0, 0)).toBe(0)
    expect(backoffMs(policy({ jitter: 'full' }), 2, 0.999, 0)).toBe(999)
    expect(backoffMs(policy({ jitter: 'equal' }), 2, 0, 0)).toBe(500)
    expect(backoffMs(policy({ jitter: 'equal' }), 2, 0.999, 0)).toBe(1_000)
  })

  it('lets a decorrelated jitter grow from the wait before it', () => {
    expect(backoffMs(policy({ jitter: 'decorrelated' }), 1, 0.5, 0)).toBe(500)
    expect(backoffMs(policy({ jitter: 'decorrelated' }), 2, 0.999999, 1_000)).toBe(2_000)
  })

  it('is a whole number between zero and the longest wait, whatever the policy, attempt and chance', () => {
    fc.assert(
      fc.property(
        anyPolicy,
        fc.integer({ min: 1, max: 5_000 }),
        chance,
        fc.integer({ min: 0, max: 1e6 }),
        (any, attempt, random, previous) => {
          const wait = backoffMs(any, attempt, random, previous)
          expect(Number.isInteger(wait)).toBe(true)
          expect(wait).toBeGreaterThanOrEqual(0)
          expect(wait).toBeLessThanOrEqual(any.maxBackoffMs)
        },
      ),
    )
  })

  it('is no wait, not an impossible one, after thousands of attempts without a first wait', () => {
    expect(backoffMs(policy({ initialBackoffMs: 0 }), 5_000, 0.5, 0)).toBe(0)
    expect(backoffMs(policy(), 5_000, 0.5, 0)).toBe(30_000)
  })

  it('never shrinks from attempt to attempt without jitter', () => {
    fc.assert(
      fc.property(anyPolicy, fc.integer({ min: 1, max: 100 }), (any, attempt) => {
        const none = { ...any, jitter: 'none' as const }
        expect(backoffMs(none, attempt + 1, 0, 0)).toBeGreaterThanOrEqual(backoffMs(none, attempt, 0, 0))
      }),
    )
  })
})
