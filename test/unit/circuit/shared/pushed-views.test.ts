import { expect, test } from 'vitest'
import type { View } from '../../../../src/circuit/machine/state.ts'
import { PushedViews } from '../../../../src/circuit/shared/pushed-views.ts'

const open = (epoch: number): View => ({
  epoch,
  state: 'open',
  remainingMs: 500,
  trips: 1,
  override: undefined,
  by: 'p',
})
const closed = (epoch: number): View => ({ ...open(epoch), state: 'closed', remainingMs: 0 })

test('tells what was pushed of a circuit that is not closed, with the time that has passed taken off', () => {
  const pushed = new PushedViews(10)
  pushed.remember('a', open(5), 1_000)
  expect(pushed.viewOf('a', 1_200)).toEqual({ ...open(5), remainingMs: 300 })
  expect(pushed.viewOf('a', 9_000)).toEqual({ ...open(5), remainingMs: 0 })
  expect(pushed.viewOf('b', 1_000)).toBeUndefined()
})

test('forgets a circuit when it closes, but not for an older message', () => {
  const pushed = new PushedViews(10)
  pushed.remember('a', open(5), 0)
  pushed.remember('a', closed(4), 0)
  expect(pushed.viewOf('a', 0)).toBeDefined()
  pushed.remember('a', closed(6), 0)
  expect(pushed.viewOf('a', 0)).toBeUndefined()
  pushed.remember('b', { ...closed(7), override: 'forced-closed' }, 0)
  expect(pushed.viewOf('b', 0)).toMatchObject({ override: 'forced-closed' })
})

test('keeps a bounded number, the newest', () => {
  const pushed = new PushedViews(3)
  for (let index = 0; index < 100; index++) pushed.remember(`c${index}`, open(index + 1), 0)
  expect([95, 96, 97, 98, 99].map((index) => pushed.viewOf(`c${index}`, 0) !== undefined)).toEqual([
    false,
    false,
    true,
    true,
    true,
  ])
})
