import { beforeEach, expect, it } from 'vitest'
import { localDeadLetters } from '../../../../../src/dead-letter/local/local-dead-letters.ts'
import { entryToJson } from '../../../../../src/dead-letter/message/entry-json.ts'
import type { DeadLetterRecord } from '../../../../../src/dead-letter/record/record.ts'
import { initialState } from '../../../../../src/dead-letter/store/lifecycle.ts'
import type { DeadLetterStore } from '../../../../../src/dead-letter/store/store.ts'
import {
  importEntries,
  type ImportOptions,
  type ImportTotals,
  type InvalidLine,
} from '../../../../../src/operations/entries/import/import-entries.ts'
import { makeRecord } from '../../../../../src/testing/contracts/records.ts'

let store: DeadLetterStore
let invalid: InvalidLine[]
beforeEach(() => {
  store = localDeadLetters()
  invalid = []
})

const line = (record: DeadLetterRecord): string =>
  JSON.stringify(entryToJson({ ...record, ...initialState(record) }))

async function* source(lines: readonly string[], before?: (at: number) => void): AsyncGenerator<Uint8Array> {
  for (const [at, text] of lines.entries()) {
    before?.(at)
    yield await Promise.resolve(Buffer.from(`${text}\n`))
  }
}

function load(lines: Parameters<typeof source>, options: Partial<ImportOptions> = {}): Promise<ImportTotals> {
  return importEntries(store, source(...lines), {
    newIds: false,
    maxLineBytes: 10_000,
    signal: new AbortController().signal,
    onInvalid: (one) => invalid.push(one),
    ...options,
  })
}

it('brings entries into quarantine, and says what became of each', async () => {
  const [fresh, known, settled] = [makeRecord(), makeRecord(), makeRecord()] as [
    DeadLetterRecord,
    DeadLetterRecord,
    DeadLetterRecord,
  ]
  await store.add([known, settled])
  await store.discard([settled.id])
  const totals = await load([
    [
      line(fresh),
      '',
      line(known),
      line(settled),
      '{',
      'x'.repeat(10_001),
      line(makeRecord({ version: 2 as 1 })),
    ],
  ])
  expect(totals).toEqual({ imported: 1, known: 1, settled: 1, refused: 0, invalid: 3 })
  expect(invalid.map(({ number, why }) => [number, why])).toEqual([
    [5, 'malformed'],
    [6, 'too-long'],
    [7, 'malformed'],
  ])
  expect(await store.get(fresh.id)).toMatchObject({ status: 'quarantined', note: 'imported' })
  expect((await store.get(known.id))!.status).toBe('pending')
})

it('gives new ids in the old order, and none to a sealed entry, which its seal would no longer fit', async () => {
  const records = [0, 0, 1].map((n) => makeRecord({ timestamp: 1_000 + n }))
  await store.add(records)
  await store.discard(records.map(({ id }) => id))
  const sealed = makeRecord({ sealed: { keyId: 'k', data: Buffer.from('sealed') } })
  // an export begins with the newest
  const totals = await load([[...records, sealed].reverse().map(line)], { newIds: true })
  expect(totals).toMatchObject({ imported: 3, invalid: 1 })
  expect(invalid[0]!.message).toBe('a sealed entry cannot get a new id')
  const ids = (await store.list()).items.map(({ id }) => id).sort()
  expect(ids.map((id) => id.slice(0, 18))).toEqual(records.map(({ id }) => id.slice(0, 18)))
  expect(ids.some((id) => records.some((record) => record.id === id))).toBe(false)
})

it('ends early, and stores what it has read', async () => {
  const ending = new AbortController()
  const records = Array.from({ length: 300 }, () => makeRecord())
  const progress: number[] = []
  const totals = await load([records.map(line), (at) => at === 150 && ending.abort()], {
    signal: ending.signal,
    onProgress: ({ imported }) => progress.push(imported),
  })
  expect(totals.imported).toBe(150)
  expect(progress).toEqual([100, 150])
  expect((await store.stats()).total).toBe(150)
})
