import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  addCounts,
  clearWindow,
  countSuccess,
  createWindow,
  setBucketMs,
  sumsOf,
  WINDOW_BUCKETS,
} from '../../../../src/circuit/machine/window.ts'

test('forgets what is older than the window, also after an hour of idling', () => {
  const window = createWindow(100)
  addCounts(window, 5_000, { total: 4, failed: 3, slow: 1 })
  expect(sumsOf(window, 5_000)).toEqual({ total: 4, failed: 3, slow: 1 })
  expect(sumsOf(window, 5_899)).toEqual({ total: 4, failed: 3, slow: 1 })
  expect(sumsOf(window, 6_000)).toEqual({ total: 0, failed: 0, slow: 0 })
  addCounts(window, 3_605_000, { total: 1, failed: 0, slow: 0 })
  expect(sumsOf(window, 3_605_000)).toEqual({ total: 1, failed: 0, slow: 0 })
})

test('sums exactly the results of the buckets that are alive, whatever the order of results', () => {
  const result = fc.record({ step: fc.nat(400), failed: fc.boolean(), slow: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(result, { maxLength: 200 }),
      fc.integer({ min: 1, max: 130 }),
      (results, bucketMs) => {
        const window = createWindow(bucketMs)
        const seen: { bucket: number; failed: boolean; slow: boolean }[] = []
        let now = 1_000_000
        for (const { step, failed, slow } of results) {
          now += step
          if (failed || slow) addCounts(window, now, { total: 1, failed: failed ? 1 : 0, slow: slow ? 1 : 0 })
          else countSuccess(window, now)
          seen.push({ bucket: Math.floor(now / bucketMs), failed, slow })
          const live = seen.filter(({ bucket }) => bucket > Math.floor(now / bucketMs) - WINDOW_BUCKETS)
          expect(sumsOf(window, now)).toEqual({
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
  const window = createWindow(100)
  addCounts(window, 1_050, { total: 1, failed: 0, slow: 0 })
  addCounts(window, 1_150, { total: 1, failed: 1, slow: 0 })
  countSuccess(window, 1_060)
  addCounts(window, 1_151, { total: 1, failed: 1, slow: 0 })
  expect(sumsOf(window, 1_151)).toEqual({ total: 4, failed: 2, slow: 0 })
})

test('a window of another length counts by its own buckets, and what is cleared is gone', () => {
  const window = createWindow(100)
  const one = { total: 1, failed: 1, slow: 0 }
  addCounts(window, 5_000, one)
  setBucketMs(window, 1_000)
  expect(sumsOf(window, 5_000)).toEqual({ total: 0, failed: 0, slow: 0 })
  addCounts(window, 5_000, one)
  addCounts(window, 5_999, one)
  expect(sumsOf(window, 5_999)).toEqual({ total: 2, failed: 2, slow: 0 })
  clearWindow(window)
  expect(sumsOf(window, 5_999)).toEqual({ total: 0, failed: 0, slow: 0 })
  countSuccess(window, 5_999)
  expect(sumsOf(window, 5_999)).toEqual({ total: 1, failed: 0, slow: 0 })
})
