import { beforeEach, expect, it } from 'vitest'
import { localDeadLetters } from '../../../../src/dead-letter/local/local-dead-letters.ts'
import { DeadLetterFormatError } from '../../../../src/dead-letter/record/json.ts'
import type { DeadLetterStore } from '../../../../src/dead-letter/store/store.ts'
import { readEntry, entriesWithBodies } from '../../../../src/operations/entries/read-entry.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

let store: DeadLetterStore
let ids: string[]
beforeEach(async () => {
  store = localDeadLetters()
  ids = (await store.add([1, 2, 3].map((timestamp) => makeRecord({ timestamp })))).kept
})

/** Makes one entry unreadable, and has another removed while the first is read. */
function damage(unreadable: string | undefined, removed?: string): void {
  const get = store.get.bind(store)
  store.get = async (id) => {
    if (removed !== undefined) await store.discard([removed])
    if (id === unreadable) throw new DeadLetterFormatError('`url` is missing')
    return get(id)
  }
}

it('reads an entry with its body, and names the id when it cannot', async () => {
  expect(String((await readEntry(store, ids[0]!)).request.body)).toBe('{"name":"Ada"}')
  await expect(readEntry(store, 'none')).rejects.toMatchObject({
    message: 'none: there is no such entry',
    kind: 'refused',
  })
  damage(ids[0])
  await expect(readEntry(store, ids[0]!)).rejects.toMatchObject({
    message: `${ids[0]}: \`url\` is missing`,
    kind: 'refused',
  })
  store.get = () => Promise.reject(new Error('the store is away'))
  await expect(readEntry(store, ids[0]!)).rejects.toThrow('the store is away')
})

it('reads all of a filter one by one, past what is unreadable and what was removed meanwhile', async () => {
  const read = async (): Promise<unknown[]> => {
    const corrupt: unknown[] = []
    const entries = entriesWithBodies(store, {}, Infinity, (entry) => corrupt.push(entry))
    const bodies: unknown[] = []
    for await (const { id, request } of entries) bodies.push([id, request.body?.byteLength])
    return [bodies, corrupt]
  }
  expect(await read()).toEqual([[...ids].reverse().map((id) => [id, 14]), []])
  damage(ids[1], ids[0])
  expect(await read()).toEqual([[[ids[2], 14]], [{ id: ids[1], message: '`url` is missing' }]])
})
