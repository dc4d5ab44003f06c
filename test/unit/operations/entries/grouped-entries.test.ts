import { expect, it } from 'vitest'
import type { DeadLetter } from '../../../../src/dead-letter/record/record.ts'
import { initialState } from '../../../../src/dead-letter/store/lifecycle.ts'
import { groupedEntries, groupingOf } from '../../../../src/operations/entries/grouped-entries.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

it('ends early when it is interrupted, with what it has counted', async () => {
  const stop = new AbortController()
  let read = 0
  async function* entries(): AsyncGenerator<DeadLetter> {
    for (;;) {
      const record = makeRecord({ integration: read % 3 === 0 ? 'crm' : 'mail', timestamp: read })
      yield { ...record, ...initialState(record) }
      await Promise.resolve()
      if (++read === 6) stop.abort()
    }
  }
  expect(await groupedEntries(entries(), groupingOf('integration'), stop.signal)).toEqual([
    { value: 'mail', count: 4, oldest: 1, newest: 5 },
    { value: 'crm', count: 2, oldest: 0, newest: 3 },
  ])
})
