import { beforeEach, expect, it } from 'vitest'
import { localDeadLetters } from '../../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterStore } from '../../../../src/dead-letter/store/store.ts'
import type { Selection } from '../../../../src/operations/entries/selection.ts'
import {
  countTargets,
  notYetDue,
  replayTargets,
  type ReplayTargets,
} from '../../../../src/operations/replay/targets.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

const progress = { found: () => undefined, corrupt: () => undefined }
const NOW = Date.now()
const HERE = 'https://api.example.com'
const THERE = 'https://other.example.com'

let store: DeadLetterStore
beforeEach(() => {
  store = localDeadLetters()
})

const targets = (selection: Selection, limit?: number): Promise<ReplayTargets> =>
  replayTargets(store, selection, limit, progress)

it('takes up named entries by id, and those of a filter when they are due', async () => {
  expect(await targets({ ids: ['a', 'b', 'a'] })).toEqual({ ids: ['a', 'b'], filter: {}, named: true })
  const filter = { integration: 'crm' }
  expect(await targets({ filter })).toEqual({ ids: undefined, filter, named: false })
})

it.each(['quarantined', 'in-doubt'] as const)(
  'takes up what is %s by id, which no person has named',
  async (status) => {
    const records = [1, 2, 3].map((timestamp) => makeRecord({ timestamp }))
    await store.add(records, { status: 'quarantined' })
    const list = store.list.bind(store)
    store.list = (query) =>
      list({ ...query, ...(query?.status === undefined ? {} : { status: 'quarantined' }) })
    const newest = records.map(({ id }) => id).reverse()
    expect(await targets({ filter: { status } })).toMatchObject({ ids: newest, named: false })
    expect((await targets({ filter: { status } }, 2)).ids).toEqual(newest.slice(0, 2))
  },
)

it('counts what a run would take up: due, replayable, of an allowed origin', async () => {
  await store.add([
    makeRecord({ timestamp: NOW }),
    makeRecord({ timestamp: NOW, integration: 'crm' }),
    makeRecord({ timestamp: NOW, notBefore: NOW + 60_000 }),
    makeRecord({ timestamp: NOW, replayable: false, notReplayableReason: 'body-too-large' }),
    makeRecord({ timestamp: NOW, request: { url: `${THERE}/x` } }),
  ])
  const count = async (filter: Selection['filter'], origins: string[]): Promise<number | undefined> =>
    countTargets(store, await targets({ filter: filter ?? {} }), origins, NOW)
  expect(await count({}, [HERE])).toBe(2)
  expect(await count({}, [HERE, THERE])).toBe(3)
  expect(await count({ integration: 'crm' }, [HERE])).toBe(1)
  expect(await count({ origin: THERE }, [HERE])).toBe(0)
  expect(await countTargets(store, await targets({ ids: ['a', 'b'] }), [HERE], NOW)).toBe(2)
})

it('counts what a run leaves alone since its time has not come, and when that is for the first', async () => {
  await store.add([
    makeRecord({ timestamp: NOW }),
    makeRecord({ timestamp: NOW, notBefore: NOW + 90_000 }),
    makeRecord({ timestamp: NOW, notBefore: NOW + 60_000 }),
    makeRecord({ timestamp: NOW, notBefore: NOW + 30_000, request: { url: `${THERE}/x` } }),
    makeRecord({
      timestamp: NOW,
      notBefore: NOW + 10_000,
      replayable: false,
      notReplayableReason: 'body-too-large',
    }),
  ])
  const notDue = async (selection: Selection, signal = new AbortController().signal) =>
    notYetDue(store, await targets(selection), [HERE], NOW, signal)
  expect(await notDue({ filter: {} })).toEqual({ count: 2, nextAt: NOW + 60_000 })
  expect(await notDue({ ids: ['a'] })).toEqual({ count: 0, nextAt: Infinity })
  expect(await notDue({ filter: {} }, AbortSignal.abort())).toEqual({ count: 0, nextAt: Infinity })
})
