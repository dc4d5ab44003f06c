import { beforeEach, describe, expect, it } from 'vitest'
import { localDeadLetters } from '../../../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetter } from '../../../../../src/dead-letter/record/record.ts'
import type { DeadLetterStore } from '../../../../../src/dead-letter/store/store.ts'
import { editedCopy, replaceEntry } from '../../../../../src/operations/entries/edit/edit-entry.ts'
import { OperationError } from '../../../../../src/operations/operation-error.ts'
import { makeRecord, type RecordChanges } from '../../../../../src/testing/contracts/records.ts'

let store: DeadLetterStore
beforeEach(() => {
  store = localDeadLetters()
})

async function stored(changes: RecordChanges = {}): Promise<DeadLetter> {
  const record = makeRecord(changes)
  await store.add([record])
  return (await store.get(record.id))!
}

const idsInStore = async (): Promise<string[]> => (await store.list()).items.map(({ id }) => id)

describe('an edit', () => {
  it('puts a quarantined copy in the place of the entry, with another key', async () => {
    const entry = await stored({ idempotencyKey: 'old' })
    const next = await stored()
    const copy = editedCopy(entry, { url: '/v2' })
    expect(copy).toMatchObject({ editedFrom: entry.id, request: { url: 'https://api.example.com/v2' } })
    expect(copy.idempotencyKey).not.toBe('old')
    expect(copy.id).not.toBe(entry.id)
    expect(copy.id < next.id).toBe(true)
    await replaceEntry(store, entry, copy)
    expect(await store.get(entry.id)).toBeUndefined()
    expect(await store.get(copy.id)).toMatchObject({
      status: 'quarantined',
      note: `edited from ${entry.id}`,
    })
  })

  it('that could not be sent is refused before anything is stored', async () => {
    const entry = await stored()
    const edit = (): unknown => editedCopy(entry, { setHeaders: [['x-a', '1\r\nx-b: 2']] })
    expect(edit).toThrow(OperationError)
    expect(edit).toThrow(/^the edited entry could not be sent: the header "x-a" holds a control character/)
  })

  it('of an entry that is being sent changes nothing', async () => {
    const entry = await stored()
    const { items } = await store.claim({ limit: 1, leaseMs: 60_000 })
    await store.renew(entry.id, items[0]!.fence, 60_000)
    await expect(replaceEntry(store, entry, editedCopy(entry, { url: '/v2' }))).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('being sent now') as string,
    })
    expect(await idsInStore()).toEqual([entry.id])
  })

  it('for which there is no room changes nothing', async () => {
    const entry = await stored()
    const add = store.add.bind(store)
    store.add = async (records, options) => {
      const added = await add([], options)
      return { ...added, refused: records.map(({ id }) => id) }
    }
    await expect(replaceEntry(store, entry, editedCopy(entry, { url: '/v2' }))).rejects.toMatchObject({
      kind: 'refused',
      message: 'the store has no room for the edited copy',
    })
    expect(await idsInStore()).toEqual([entry.id])
  })

  it('whose copy takes the room of the entry itself is done', async () => {
    store = localDeadLetters({ maxRecords: 1 })
    const entry = await stored()
    const copy = editedCopy(entry, { url: '/v2' })
    await replaceEntry(store, entry, copy)
    expect(await idsInStore()).toEqual([copy.id])
  })
})
