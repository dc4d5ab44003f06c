import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CountWindow, WINDOW_BUCKETS } from '../../../src/circuit/window.ts'

test('forgets what is older than the window, also after an hour of idling', () => {
  const window = new CountWindow(100)
  window.add(5_000, 4, 3, 1)
  expect(window.sums(5_000)).toEqual({ total: 4, failed: 3, slow: 1 })
  expect(window.sums(5_899)).toEqual({ total: 4, failed: 3, slow: 1 })
  expect(window.sums(6_000)).toEqual({ total: 0, failed: 0, slow: 0 })
  window.add(3_605_000, 1, 0, 0)
  expect(window.sums(3_605_000)).toEqual({ total: 1, failed: 0, slow: 0 })
})

test('sums exactly the results of the buckets that are alive, whatever the order of results', () => {
  const result = fc.record({ step: fc.nat(400), failed: fc.boolean(), slow: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(result, { maxLength: 200 }),
      fc.integer({ min: 1, max: 130 }),
      (results, bucketMs) => {
        const window = new CountWindow(bucketMs)
        const seen: { bucket: number; failed: boolean; slow: boolean }[] = []
        let now = 1_000_000
        for (const { step, failed, slow } of results) {
          now += step
          if (failed || slow) window.add(now, 1, failed ? 1 : 0, slow ? 1 : 0)
          else window.hit(now)
          seen.push({ bucket: Math.floor(now / bucketMs), failed, slow })
          const live = seen.filter(({ bucket }) => bucket > Math.floor(now / bucketMs) - WINDOW_BUCKETS)
          expect(window.sums(now)).toEqual({
            total: live.length,
            failed: live.filter((one) => one.failed).length,
            slow: live.filter((one) => one.slow).length,
          })
        }
      },
    ),
  )
})

test('a result with an older time is counted in its own bucket and disturbs no newer one', () => {
  const window = new CountWindow(100)
  window.add(1_050, 1, 0, 0)
  window.add(1_150, 1, 1, 0)
  window.hit(1_060)
  window.add(1_151, 1, 1, 0)
  expect(window.sums(1_151)).toEqual({ total: 4, failed: 2, slow: 0 })
})
