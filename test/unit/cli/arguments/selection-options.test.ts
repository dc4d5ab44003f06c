import { expect, it } from 'vitest'
import { type SelectionOptions, selectionOf } from '../../../../src/cli/arguments/selection-options.ts'

const select = (ids: string[], options: SelectionOptions = {}): unknown => selectionOf(ids, options, 1000)

it('takes ids, or a filter, or all', () => {
  expect(select(['a', 'b'])).toEqual({ ids: ['a', 'b'] })
  expect(select([], { status: 'quarantined' })).toEqual({ filter: { status: 'quarantined' } })
  expect(select([], { all: true, limit: 3 })).toEqual({ filter: {} })
})

it('never takes all by leaving something out, and only one of the three', () => {
  expect(() => select([])).toThrow(/which entries\?/)
  expect(() => select([], { limit: 3 })).toThrow(/which entries\?/)
  for (const [ids, options] of [
    [['a'], { all: true }],
    [['a'], { status: 'pending' }],
    [[], { all: true, status: 'pending' }],
  ] as const) {
    expect(() => select([...ids], options)).toThrow(/either ids, or a filter, or --all/)
  }
})

it('refuses a time that is over before it begins, which would find nothing', () => {
  const within = (from: string, to: string): unknown => selectionOf([], { from, to }, 86_400_000)
  expect(() => within('1h', '2h')).toThrow('--from must be before --to, got 1h and 2h')
  expect(within('2h', '1h')).toEqual({ filter: { from: 79_200_000, to: 82_800_000 } })
})
