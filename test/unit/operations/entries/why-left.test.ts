import { beforeEach, expect, it } from 'vitest'
import { localDeadLetters } from '../../../../src/dead-letter/local/local-dead-letters.ts'
import { DeadLetterFormatError } from '../../../../src/dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../../../src/dead-letter/record/record.ts'
import type { DeadLetterStore } from '../../../../src/dead-letter/store/store.ts'
import {
  whyLeft,
  whyLeftCounted,
  whyNotDiscarded,
  whyNotReplayed,
  whyNotRequeued,
} from '../../../../src/operations/entries/why-left.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

let store: DeadLetterStore
beforeEach(() => {
  store = localDeadLetters()
})

const notReplayed = whyNotReplayed(['https://api.example.com'])

async function added(record: Partial<DeadLetterRecord> = {}): Promise<string> {
  const [id] = (await store.add([makeRecord(record)])).kept
  return id!
}

it('says of an id without an entry that there is none, and what may have become of it', async () => {
  const id = await added()
  await store.discard([id])
  for (const obstacle of [notReplayed, whyNotRequeued, whyNotDiscarded]) {
    expect(await whyLeft(store, id, obstacle)).toBe(
      'there is no such entry: it was replayed or discarded, or is in another store',
    )
  }
})

it('says that an entry cannot be read, or that the store could not be asked', async () => {
  store.get = () => Promise.reject(new DeadLetterFormatError('`url` is missing'))
  expect(await whyLeft(store, 'any', notReplayed)).toBe('it cannot be read: `url` is missing')
  store.get = () => Promise.reject(new Error('away'))
  expect(await whyLeft(store, 'any', notReplayed)).toBe('the store could not be asked why: away')
})

it('says that a replayer holds it', async () => {
  const id = await added()
  await store.claim({ limit: 1, leaseMs: 60_000, maxReplays: 5, lapseDelayMs: 0 })
  expect(await whyLeft(store, id, notReplayed)).toBe('a replayer holds it now')
  expect(await whyLeft(store, id, whyNotRequeued)).toBe('a replayer holds it now')
  expect(await whyLeft(store, id, whyNotDiscarded)).toBe('it was being sent when its turn came')
})

const tooLarge =
  'it is not replayable: body-too-large: its body is larger than `maxBodyBytes`; `edit` it and give the whole body'

it('says why it cannot be replayed as it is, and what a person can do', async () => {
  const id = await added({ replayable: false, notReplayableReason: 'body-too-large' })
  expect(await whyLeft(store, id, notReplayed)).toBe(tooLarge)
  expect(await whyLeft(store, id, whyNotRequeued)).toBe(tooLarge)
})

it('says where it goes to, when that was not allowed', async () => {
  const id = await added()
  expect(await whyLeft(store, id, whyNotReplayed([]))).toBe(
    'it goes to https://api.example.com, which is not among the allowed origins',
  )
})

it('says that it waits for the one before it, or was in use for a moment', async () => {
  const ordered = await added({ orderingKey: 'customer-1' })
  expect(await whyLeft(store, ordered, notReplayed)).toBe('an entry before it has the same ordering key')
  expect(await whyLeft(store, await added(), notReplayed)).toBe('it was in use when its turn came')
})

it('says of an entry that was to be requeued that it is not set aside', async () => {
  expect(await whyLeft(store, await added(), whyNotRequeued)).toBe('it is not set aside: it is pending')
})

it('counts many by their reasons, and ends early when it is told to', async () => {
  const lost = { replayable: false, notReplayableReason: 'body-too-large' } as const
  const ids = [await added(lost), await added(lost), await added({ orderingKey: 'a' })]
  const counted = await whyLeftCounted(store, ids, notReplayed, new AbortController().signal)
  expect([...counted]).toEqual([
    [tooLarge, 2],
    ['an entry before it has the same ordering key', 1],
  ])
  expect((await whyLeftCounted(store, ids, notReplayed, AbortSignal.abort())).size).toBe(0)
})

it('counts those that cannot be read as one reason, and asks a store that is away once', async () => {
  let asked = 0
  const { signal } = new AbortController()
  const fails = (error: Error) => () => {
    asked += 1
    return Promise.reject(error)
  }
  store.get = fails(new DeadLetterFormatError('`url` is missing'))
  expect([...(await whyLeftCounted(store, ['a', 'b'], notReplayed, signal))]).toEqual([
    ['it cannot be read', 2],
  ])
  store.get = fails(new Error('away'))
  expect([...(await whyLeftCounted(store, ['a', 'b', 'c'], notReplayed, signal))]).toEqual([
    ['the store could not be asked why: away', 3],
  ])
  expect(asked).toBe(3)
})

it('looks at the first thousand, and counts the others', async () => {
  const ids = Array.from({ length: 1_200 }, (_, n) => `gone-${n}`)
  expect([...(await whyLeftCounted(store, ids, notReplayed, new AbortController().signal))]).toEqual([
    ['there is no such entry: it was replayed or discarded, or is in another store', 1_000],
    ['not looked at, after the first 1000', 200],
  ])
})
