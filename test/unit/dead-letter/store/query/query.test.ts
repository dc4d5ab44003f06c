import { describe, expect, it } from 'vitest'
import { encodeCursor } from '../../../../../src/dead-letter/store/query/cursor.ts'
import { checkFilter, checkQuery } from '../../../../../src/dead-letter/store/query/query.ts'

describe('a query', () => {
  it('is a filter, with a page of 100 from the newest entry on', () => {
    expect(checkQuery()).toEqual({ filter: {}, limit: 100, after: undefined })
    const after = { timestamp: 7, id: 'x' }
    expect(checkQuery({ integration: 'crm', to: 9, limit: 1000, cursor: encodeCursor(after) })).toEqual({
      filter: { integration: 'crm', to: 9 },
      limit: 1000,
      after,
    })
  })

  it.each([
    [{ integration: '' }, '`query.integration` must be a non-empty string, got ""'],
    [{ origin: 7 }, '`query.origin` must be'],
    [{ status: 'open' }, '`query.status` must be'],
    [{ reason: 'because' }, '`query.reason` must be'],
    [{ label: {} }, '`query.label` must be'],
    [{ code: 503 }, '`query.code` must be'],
    [{ from: -1 }, '`query.from` must be a number >= 0, got -1'],
    [{ to: new Date() }, '`query.to` must be'],
    [{ limit: 1001 }, '`query.limit` must be an integer >= 1 and <= 1000, got 1001'],
    [{ cursor: 'x' }, '`query.cursor` must be'],
    [{ stauts: 'pending' }, '`stauts`'],
    [null, '`query` must be'],
  ])('of %j is refused by name', (query, message) => {
    expect(() => checkQuery(query as never)).toThrow(message)
  })
})

it('a filter of another option is refused by that name, and knows no cursor', () => {
  expect(() => checkFilter('filter', { code: 503 as never })).toThrow('`filter.code`')
  expect(() => checkFilter('filter', { cursor: 'x' } as never)).toThrow('`cursor`')
})
