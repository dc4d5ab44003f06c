import { expect, test } from 'vitest'
import { isWaitedOut, type LineFacts, mayJoin, waitLeftMs } from '../../../../src/circuit/line/decision.ts'
import { resolveCircuitBreakerOptions } from '../../../../src/circuit/options.ts'

const { policy } = resolveCircuitBreakerOptions({})
const facts: LineFacts = { trips: 1, overridden: false, openForMs: 1_000, leftMs: 5_000, waiting: 0 }

test('with the defaults the first three openings in a row are waited out, and no longer ones', () => {
  expect([1, 2, 3, 4, 5, 1_000].map((trips) => isWaitedOut(policy, trips))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ])
})

test('a `maxWaitMs` of 0 lets nothing wait, whatever the opening', () => {
  const refusing = { ...policy, maxWaitMs: 0, timeoutMs: 1, maxTimeoutMs: 1 }
  expect(mayJoin(refusing, { ...facts, openForMs: 0, leftMs: 0 })).toBe(false)
  expect(isWaitedOut(refusing, 1)).toBe(false)
})

test.each([
  ['an opening that it can wait out', {}, true],
  ['an operator override', { overridden: true }, false],
  [
    'an opening that is longer than `maxWaitMs` as a whole, though its end is near',
    { trips: 4, openForMs: 1 },
    false,
  ],
  ['no time left', { openForMs: 0, leftMs: 0 }, false],
  ['less time left than it stays open', { openForMs: 1_000, leftMs: 999 }, false],
  ['just as much', { openForMs: 1_000, leftMs: 1_000 }, true],
  ['the last place', { waiting: policy.maxWaiting - 1 }, true],
  ['a full line', { waiting: policy.maxWaiting }, false],
])('%s', (_what, changed, joins) => {
  expect(mayJoin(policy, { ...facts, ...changed })).toBe(joins)
})

test('a call may wait for what is left of `maxWaitMs`, and of its own time', () => {
  expect(waitLeftMs(policy, 0, Infinity)).toBe(5_000)
  expect(waitLeftMs(policy, 1_200, Infinity)).toBe(3_800)
  expect(waitLeftMs(policy, 1_200, 700)).toBe(700)
  expect(waitLeftMs(policy, 6_000, Infinity)).toBeLessThan(0)
})
