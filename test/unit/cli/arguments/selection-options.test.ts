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
