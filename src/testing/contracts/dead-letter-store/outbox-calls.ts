import { expect } from '../expect.ts'
import { makeRecord, type RecordChanges } from '../records.ts'
import { evictions, HELD, replay, type Scene } from './scene.ts'

export function outboxCalls(scene: Scene): void {
  const { describe, it } = scene.runner
  describe('calls of an outbox', () => {
    const call = (changes: RecordChanges = {}): Rec => makeRecord({ reason: 'outbox', ...changes })
    const there = async (): Promise<string[]> =>
      (await scene.store.list()).items.map(({ id }) => id).reverse()

    it('are not evicted for others; calls that failed are, though they are younger', async () => {
      await scene.start({ maxRecords: 4 })
      const at = Date.now() - 1000
      const owed = [0, 1].map((ms) => call({ timestamp: at + ms }))
      const [older, old] = [2, 3].map((ms) => makeRecord({ timestamp: at + ms })) as [Rec, Rec]
      await scene.store.add([...owed, older, old])
      const failed = makeRecord()
      expect(await scene.store.add([failed])).toMatchObject({ kept: [failed.id], evicted: [older.id] })
      const added = call({ timestamp: failed.timestamp + 1 })
      expect(await scene.store.add([added])).toMatchObject({ kept: [added.id], evicted: [old.id] })
      expect(await there()).toEqual([...owed, failed, added].map(({ id }) => id))
    })

    it('leave no room where only they are left, until one is done', async () => {
      await scene.start({ maxRecords: 2 })
      const owed = [call(), call()]
      await scene.store.add(owed)
      for (const one of [call(), makeRecord()]) {
        expect(await scene.store.add([one])).toMatchObject({ kept: [], refused: [one.id], evicted: [] })
        expect(await scene.store.get(one.id)).toBeUndefined()
      }
      expect(await scene.store.add([owed[0]!])).toMatchObject({ kept: [owed[0]!.id], duplicates: 1 })
      expect((await scene.store.stats()).counters).toMatchObject({ captured: 2, evicted: 0 })
      const { id, fence } = await scene.claimOne({ leaseMs: 60_000 })
      await scene.store.renew(id, fence, 60_000)
      expect(await scene.store.settle(id, fence, { outcome: 'done', replay: replay() })).toBe('done')
      const next = call()
      expect(await scene.store.add([next])).toMatchObject({ kept: [next.id], refused: [] })
    })

    it('leave of a batch as much as there is room for', async () => {
      await scene.start({ maxRecords: 3 })
      await scene.store.add([call(), call()])
      const batch = [call(), call(), call()]
      const { kept, refused, evicted } = await scene.store.add(batch)
      expect({ kept: kept.length, refused: refused.length, evicted }).toEqual({
        kept: 1,
        refused: 2,
        evicted: [],
      })
      expect((await there()).slice(2)).toEqual(kept)
    })

    it('are not evicted for bytes, nor is anything for one that finds no room', async () => {
      await scene.start({ maxBytes: 20_000 })
      const of = (size: number): RecordChanges => ({ request: { body: new Uint8Array(size) } })
      const [owed, failed] = [call(of(8_000)), makeRecord(of(2_500))]
      await scene.store.add([owed, failed])
      const tooMuch = call(of(12_000))
      expect(await scene.store.add([tooMuch])).toMatchObject({
        kept: [],
        refused: [tooMuch.id],
        evicted: [],
      })
      const other = call(of(8_000))
      expect(await scene.store.add([other])).toMatchObject({ kept: [other.id], evicted: [failed.id] })
      expect((await scene.store.stats()).bytes).toBeLessThanOrEqual(20_000)
    })

    it('are kept however old they are, wherever they stand', async () => {
      await scene.start({ maxAgeMs: 60_000, maxRecords: 20 })
      const timestamp = Date.now() - 3_600_000
      const cut = call({ timestamp, replayable: false, notReplayableReason: 'body-too-large' })
      const records = [cut, ...[1, 2, 3, 4, 5, 6].map(() => call({ timestamp }))]
      const [, , doubtful, quarantined, later, lapsed, lost] = records as Seven
      await scene.store.add(records)
      const settlements = [
        [doubtful, { outcome: 'in-doubt', replay: replay(), note: 'why' }],
        [quarantined, { outcome: 'quarantined', replay: replay(), note: 'no' }],
        [later, { outcome: 'later', delayMs: 60_000 }],
      ] as const
      for (const [{ id }, settlement] of settlements) {
        const { fence } = await scene.claimOne({ ids: [id], leaseMs: 60_000 })
        await scene.store.renew(id, fence, 60_000)
        await scene.store.settle(id, fence, settlement)
      }
      await scene.claimOne({ ids: [lapsed.id] })
      const { id, fence } = await scene.claimOne({ ids: [lost.id] })
      await scene.store.renew(id, fence, scene.leaseMs)
      await scene.fixture.advance(scene.leaseMs * 2)
      const dropped = await evictions(async () => {
        await scene.store.add([makeRecord()])
        await scene.store.claim({ ...HELD, filter: { reason: 'manual' } })
        await scene.store.add([makeRecord()])
      })
      expect(dropped).toEqual([])
      const ids = await there()
      expect(records.filter((record) => !ids.includes(record.id))).toEqual([])
    })

    it('do not hide what may be evicted, however many are before it', async () => {
      await scene.start({ maxRecords: 1_502 })
      const at = Date.now() - 10_000
      await scene.store.add(Array.from({ length: 1_500 }, (_, n) => call({ timestamp: at + n })))
      const [older, old, failed] = [1, 2, 3].map(() => makeRecord()) as [Rec, Rec, Rec]
      await scene.store.add([older, old])
      expect(await scene.store.add([failed])).toMatchObject({ kept: [failed.id], evicted: [older.id] })
      const added = call()
      expect(await scene.store.add([added])).toMatchObject({ kept: [added.id], evicted: [old.id] })
      expect(await scene.store.add([call()])).toMatchObject({ refused: [], evicted: [failed.id] })
      const late = call()
      expect(await scene.store.add([late])).toMatchObject({ kept: [], refused: [late.id] })
      expect((await scene.store.stats()).total).toBe(1_502)
    })

    it('go when a person discards them', async () => {
      await scene.start({ maxRecords: 2 })
      const [one, other] = [call(), call()]
      await scene.store.add([one, other])
      expect(await scene.store.discard([one.id])).toBe(1)
      const next = makeRecord()
      expect((await scene.store.add([next])).kept).toEqual([next.id])
    })
  })
}

type Rec = ReturnType<typeof makeRecord>
type Seven = [Rec, Rec, Rec, Rec, Rec, Rec, Rec]
