import { expect, test } from 'vitest'
import type { View } from '../../../src/circuit/machine.ts'
import { News } from '../../../src/circuit/news.ts'

const open = (epoch: number): View => ({
  epoch,
  state: 'open',
  remainingMs: 500,
  trips: 1,
  override: undefined,
  by: 'p',
})
const closed = (epoch: number): View => ({ ...open(epoch), state: 'closed', remainingMs: 0 })

test('tells what was heard of a circuit that is not closed, with the time that has passed taken off', () => {
  const news = new News(10)
  news.note('a', open(5), 1_000)
  expect(news.of('a', 1_200)).toEqual({ ...open(5), remainingMs: 300 })
  expect(news.of('a', 9_000)).toEqual({ ...open(5), remainingMs: 0 })
  expect(news.of('b', 1_000)).toBeUndefined()
})

test('forgets a circuit when it closes, but not for an older message', () => {
  const news = new News(10)
  news.note('a', open(5), 0)
  news.note('a', closed(4), 0)
  expect(news.of('a', 0)).toBeDefined()
  news.note('a', closed(6), 0)
  expect(news.of('a', 0)).toBeUndefined()
  news.note('b', { ...closed(7), override: 'forced-closed' }, 0)
  expect(news.of('b', 0)).toMatchObject({ override: 'forced-closed' })
})

test('keeps a bounded number, the newest', () => {
  const news = new News(3)
  for (let index = 0; index < 100; index++) news.note(`c${index}`, open(index + 1), 0)
  expect([95, 96, 97, 98, 99].map((index) => news.of(`c${index}`, 0) !== undefined)).toEqual([
    false,
    false,
    true,
    true,
    true,
  ])
})
