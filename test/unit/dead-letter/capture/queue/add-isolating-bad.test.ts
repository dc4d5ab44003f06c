import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addIsolatingBad,
  type IsolatedAdd,
} from '../../../../../src/dead-letter/capture/queue/add-isolating-bad.ts'
import type { DeadLetterRecord } from '../../../../../src/dead-letter/record/record.ts'
import type { AddResult } from '../../../../../src/dead-letter/store/add-result.ts'
import { makeRecord } from '../../../../../src/testing/contracts/records.ts'
import { TimeLimitError } from '../../../../../src/time/time-limit.ts'

const LONG = 60_000
const records = (count: number): DeadLetterRecord[] => Array.from({ length: count }, () => makeRecord())

/** A store that takes or refuses whole batches. */
function store(refusal: (batch: readonly DeadLetterRecord[]) => Error | undefined): {
  add: (batch: readonly DeadLetterRecord[]) => Promise<AddResult>
  calls: number
  kept: Set<string>
} {
  const made = {
    calls: 0,
    kept: new Set<string>(),
    add: async (batch: readonly DeadLetterRecord[]): Promise<AddResult> => {
      made.calls++
      const error = refusal(batch)
      if (error !== undefined) throw error
      for (const { id } of batch) made.kept.add(id)
      return { kept: batch.map(({ id }) => id), duplicates: 0, settled: [], evicted: [], refused: [] }
    },
  }
  return made
}

const refusing = (...bad: readonly DeadLetterRecord[]): ReturnType<typeof store> =>
  store((batch) =>
    batch.some(({ id }) => bad.some((one) => one.id === id)) ? new Error('datatype mismatch') : undefined,
  )

const idsOf = (some: readonly { id: string }[]): string[] => some.map(({ id }) => id).sort()
const keptBy = ({ results }: IsolatedAdd): string[] => results.flatMap(({ kept }) => kept).sort()

describe('addIsolatingBad', () => {
  it('adds a batch that the store takes at once', async () => {
    const batch = records(3)
    const good = refusing()
    const added = await addIsolatingBad(good.add, batch, LONG)
    expect(keptBy(added)).toEqual(idsOf(batch))
    expect(added).toMatchObject({ bad: [], left: [], error: undefined })
    expect(good.calls).toBe(1)
  })

  it('finds the records that the store refuses, and keeps all others, wherever they stand', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 2, maxLength: 64 }), async (goods) => {
        fc.pre(goods.includes(true) && goods.filter((good) => !good).length <= 6)
        const batch = records(goods.length)
        const bad = batch.filter((_, at) => !goods[at])
        const added = await addIsolatingBad(refusing(...bad).add, batch, LONG)
        expect(idsOf(added.bad)).toEqual(idsOf(bad))
        expect(keptBy(added)).toEqual(idsOf(batch.filter((_, at) => goods[at])))
        expect(added.left).toEqual([])
      }),
      { numRuns: 50 },
    )
  })

  it('holds no record for bad while the store takes nothing at all', async () => {
    const batch = records(4)
    const nothing = refusing(...batch)
    const added = await addIsolatingBad(nothing.add, batch, LONG)
    // the whole, its halves, and each record once
    expect(nothing.calls).toBe(7)
    expect(idsOf(added.left)).toEqual(idsOf(batch))
    expect(added).toMatchObject({ results: [], bad: [], error: new Error('datatype mismatch') })
  })

  it('nor when the store fails again for what it had taken', async () => {
    const [bad, good] = records(2) as [DeadLetterRecord, DeadLetterRecord]
    let taken = false
    const failing = store((batch) => {
      if (batch.length === 1 && batch[0] === good && !taken) {
        taken = true
        return undefined
      }
      return new Error('datatype mismatch')
    })
    const added = await addIsolatingBad(failing.add, [bad, good], LONG)
    expect(idsOf(added.left)).toEqual([bad.id])
    expect(added.bad).toEqual([])
    expect(keptBy(added)).toEqual([good.id])
  })

  it('nor when the record is taken at its second try', async () => {
    const [flaky, good] = records(2) as [DeadLetterRecord, DeadLetterRecord]
    let failures = 0
    const sometimes = store((batch) =>
      batch.includes(flaky) && ++failures <= 2 ? new Error('datatype mismatch') : undefined,
    )
    const added = await addIsolatingBad(sometimes.add, [flaky, good], LONG)
    expect(keptBy(added)).toEqual(idsOf([flaky, good]))
    expect(added).toMatchObject({ bad: [], left: [] })
  })

  it('knows a record that no store could read back as bad, also when it is alone', async () => {
    const broken = makeRecord({ timestamp: Number.NaN })
    const added = await addIsolatingBad(refusing(broken).add, [broken], LONG)
    expect(added).toMatchObject({ bad: [broken], left: [] })
  })

  it.each([
    ['a time limit', new TimeLimitError('took longer than 50 ms')],
    ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
    ['a full disk', Object.assign(new Error('write'), { code: 'ENOSPC' })],
  ])('takes %s for an outage at once, and leaves the batch', async (_what, error) => {
    const batch = records(100)
    const gone = store(() => error)
    const added = await addIsolatingBad(gone.add, batch, LONG)
    expect(idsOf(added.left)).toEqual(idsOf(batch))
    expect(added).toMatchObject({ bad: [], error })
    expect(gone.calls).toBe(1)
  })

  it('keeps what was taken before an outage, and leaves the rest', async () => {
    const batch = records(8)
    const bad = batch[0]!
    let takes = 0
    const failing = store((part) => {
      if (takes >= 2) return Object.assign(new Error('gone'), { code: 'ECONNRESET' })
      if (part.includes(bad)) return new Error('datatype mismatch')
      takes++
      return undefined
    })
    const added = await addIsolatingBad(failing.add, batch, LONG)
    const kept = keptBy(added)
    expect(kept.length).toBeGreaterThan(0)
    expect(kept).toEqual([...failing.kept].sort())
    expect(added.bad).toEqual([])
    expect([...kept, ...idsOf(added.left)].sort()).toEqual(idsOf(batch))
  })

  it('gives up on a store that fails for one part after the other, and on one that is slow to fail', async () => {
    const batch = records(1000)
    const failing = refusing(...batch)
    expect((await addIsolatingBad(failing.add, batch, LONG)).left).toHaveLength(1000)
    expect(failing.calls).toBe(21)

    const slow = refusing(...batch)
    const add = async (part: readonly DeadLetterRecord[]): Promise<AddResult> => {
      await new Promise((resolve) => setTimeout(resolve, 30))
      return slow.add(part)
    }
    expect((await addIsolatingBad(add, batch, 20)).left).toHaveLength(1000)
    expect(slow.calls).toBeLessThanOrEqual(2)
  })
})
