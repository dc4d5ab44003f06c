import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeCursor, encodeCursor, newestFirst } from '../../../../../src/dead-letter/store/query/cursor.ts'

it('a cursor gives back the entry that it was made of, whatever the id', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 45 }), fc.string({ unit: 'grapheme', minLength: 1 }), (timestamp, id) => {
      expect(decodeCursor(encodeCursor({ timestamp, id }))).toEqual({ timestamp, id })
    }),
    { examples: [[1, 'a:b:c']] },
  )
})

it.each([
  ['', TypeError],
  [7, TypeError],
  [null, TypeError],
  ['!!', RangeError],
  [Buffer.from('no colon').toString('base64url'), RangeError],
  [Buffer.from(':id').toString('base64url'), RangeError],
  [Buffer.from('Infinity:id').toString('base64url'), RangeError],
  [Buffer.from('x7:id').toString('base64url'), RangeError],
])('refuses %j, which is no cursor of a page', (cursor, kind) => {
  expect(() => decodeCursor(cursor)).toThrow(kind)
  expect(() => decodeCursor(cursor)).toThrow('`query.cursor`')
})

it('newest first, and of one millisecond the highest id first', () => {
  const [a, b, c] = [
    { timestamp: 1, id: 'a' },
    { timestamp: 1, id: 'b' },
    { timestamp: 2, id: 'a' },
  ]
  expect([a, b, c].sort(newestFirst)).toEqual([c, b, a])
  expect(newestFirst(a, { ...a })).toBe(0)
})
