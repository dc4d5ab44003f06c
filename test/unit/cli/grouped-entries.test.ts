import { expect, it } from 'vitest'
import { groupedEntries, groupingOf } from '../../../src/cli/grouped-entries.ts'
import { initialState } from '../../../src/dead-letter/lifecycle.ts'
import type { DeadLetter } from '../../../src/dead-letter/record.ts'
import { makeRecord } from '../../contracts/dead-letter-records.ts'

it('ends early when it is interrupted, with what it has counted', async () => {
  const stop = new AbortController()
  let read = 0
  async function* entries(): AsyncGenerator<DeadLetter> {
    for (;;) {
      const record = makeRecord({ name: read % 3 === 0 ? 'crm' : 'mail', timestamp: read })
      yield { ...record, ...initialState(record) }
      await Promise.resolve()
      if (++read === 6) stop.abort()
    }
  }
  expect(await groupedEntries(entries(), groupingOf('name'), stop.signal)).toEqual([
    { value: 'mail', count: 4, oldest: 1, newest: 5 },
    { value: 'crm', count: 2, oldest: 0, newest: 3 },
  ])
})
