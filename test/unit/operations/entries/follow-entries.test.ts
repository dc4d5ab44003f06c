import { expect, it } from 'vitest'
import { localDeadLetters } from '../../../../src/dead-letter/local/local-dead-letters.ts'
import { followEntries } from '../../../../src/operations/entries/follow-entries.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

it('gives what came since the last look, oldest first, with the totals, until it is ended', async () => {
  const store = localDeadLetters()
  const at = (timestamp: number, integration = 'crm'): string => {
    const record = makeRecord({ timestamp, integration })
    void store.add([record])
    return record.id
  }
  at(1_000)
  const ending = new AbortController()
  const looks: (readonly string[])[] = []
  const totals: number[] = []
  const added: string[][] = []
  for await (const { entries, stats } of followEntries(store, { integration: 'crm' }, 1, ending.signal)) {
    looks.push(entries.map(({ id }) => id))
    totals.push(stats.total)
    if (looks.length === 1) {
      at(3_000, 'mail')
      added.push([at(2_000), at(2_000), at(2_500)])
    } else if (looks.length === 2) {
      // drained late from a spool: older than what was seen
      at(1_500)
    } else ending.abort()
  }
  expect(looks).toEqual([[], added[0], []])
  expect(totals).toEqual([1, 5, 6])
})
