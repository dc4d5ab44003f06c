import { beforeEach, expect, it } from 'vitest'
import { localDeadLetters } from '../../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterStore } from '../../../../src/dead-letter/store/store.ts'
import { discardEntries, requeueEntries } from '../../../../src/operations/entries/change-entries.ts'
import { idsOf, type Selection } from '../../../../src/operations/entries/selection.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

const { signal } = new AbortController()
let store: DeadLetterStore
beforeEach(() => {
  store = localDeadLetters({ maxRecords: 10_000 })
})

async function chosen(selection: Selection, limit?: number): Promise<{ ids: string[]; corrupt: string[] }> {
  const corrupt: string[] = []
  const progress = { found: () => undefined, corrupt: ({ id }: { id: string }) => void corrupt.push(id) }
  return { ids: await idsOf(store, selection, limit, progress), corrupt }
}

it('chooses named ids once each, without a look at the store', async () => {
  store.list = () => Promise.reject(new Error('asked'))
  expect((await chosen({ ids: ['a', 'b', 'a'] })).ids).toEqual(['a', 'b'])
})

it('chooses those of a filter over all pages, the newest first, at most so many', async () => {
  const records = Array.from({ length: 1_203 }, (_, at) =>
    makeRecord({ timestamp: 1_000 + at, integration: at % 2 === 0 ? 'crm' : 'mail' }),
  )
  await store.add(records)
  const newest = records.map(({ id }) => id).reverse()
  expect((await chosen({ filter: {} })).ids).toEqual(newest)
  expect((await chosen({ filter: {} }, 3)).ids).toEqual(newest.slice(0, 3))
  expect((await chosen({ filter: { integration: 'crm' } })).ids).toHaveLength(602)
})

it('chooses what cannot be read too, and tells it', async () => {
  const [good] = (await store.add([makeRecord()])).kept
  const list = store.list.bind(store)
  store.list = async (query) => ({ ...(await list(query)), corrupt: [{ id: 'bad', message: 'no JSON' }] })
  expect(await chosen({ filter: {} })).toEqual({ ids: [good, 'bad'], corrupt: ['bad'] })
})

it('changes any number of entries, in chunks, and ends between two of them', async () => {
  const ids = (await store.add(Array.from({ length: 1_203 }, () => makeRecord()))).kept
  const steps: number[] = []
  const onProgress = (changed: number): void => void steps.push(changed)
  expect(await requeueEntries(store, ids, { signal })).toEqual({ changed: 0, left: [] })
  const ending = new AbortController()
  const discarded = await discardEntries(store, ids, {
    signal: ending.signal,
    onProgress: (changed) => {
      onProgress(changed)
      if (changed >= 1_000) ending.abort()
    },
  })
  expect({ discarded, steps }).toEqual({ discarded: { changed: 1_000, left: [] }, steps: [500, 1_000] })
  expect(await discardEntries(store, ids, { signal })).toEqual({ changed: 203, left: [] })
})

it('tells of entries that a person has named which were left alone', async () => {
  const ids = (await store.add([1, 2].map(() => makeRecord()))).kept
  await store.discard(ids.slice(0, 1))
  expect(await requeueEntries(store, ids, { named: true, signal })).toEqual({ changed: 0, left: ids })
  expect(await discardEntries(store, ids, { named: true, signal })).toEqual({
    changed: 1,
    left: ids.slice(0, 1),
  })
})
