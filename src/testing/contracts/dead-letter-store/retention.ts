import { expect } from '../expect.ts'
import { makeRecord } from '../records.ts'
import { evictions, HELD, replay, type Scene } from './scene.ts'

export function retention(scene: Scene): void {
  const { describe, it } = scene.runner
  describe('requeue and discard', () => {
    it('brings back what a person decided on, with its replays counted anew', async () => {
      const record = makeRecord()
      await scene.store.add([record], { status: 'quarantined' })
      expect(await scene.store.requeue([record.id, 'nobody'])).toBe(1)
      expect(await scene.store.requeue([record.id])).toBe(0)
      expect(await scene.claimOne()).toMatchObject({ id: record.id, replayCount: 0 })
    })

    it('does not discard what is being sent', async () => {
      await scene.store.add([makeRecord()])
      const claim = await scene.claimOne({ leaseMs: 60_000 })
      await scene.store.renew(claim.id, claim.fence, 60_000)
      expect(await scene.store.discard([claim.id])).toBe(0)
      expect(await scene.store.settle(claim.id, claim.fence, { outcome: 'later', delayMs: 0 })).toBe('again')
      expect(await scene.store.discard([claim.id, 'nobody'])).toBe(1)
    })

    it('tells a replayer that its entry was discarded before it sends', async () => {
      await scene.store.add([makeRecord()])
      const claim = await scene.claimOne({ leaseMs: 60_000 })
      expect(await scene.store.discard([claim.id])).toBe(1)
      expect(await scene.store.renew(claim.id, claim.fence, 1000)).toBe(false)
      expect(await scene.store.settle(claim.id, claim.fence, { outcome: 'done', replay: replay() })).toBe(
        'gone',
      )
    })
  })

  describe('retention', () => {
    it('evicts the oldest beyond the count, with an event each', async () => {
      await scene.start({ maxRecords: 3 })
      const records = Array.from({ length: 5 }, () => makeRecord())
      const dropped = await evictions(async () => {
        for (const record of records) await scene.store.add([record])
      })
      expect(dropped).toEqual([records[0]!.id, records[1]!.id])
      expect((await scene.store.list()).items).toHaveLength(3)
      expect((await scene.store.stats()).counters).toMatchObject({ captured: 5, evicted: 2 })
    })

    it('evicts by bytes, and refuses what is larger than everything', async () => {
      await scene.start({ maxBytes: 20_000 })
      const big = (): ReturnType<typeof makeRecord> => makeRecord({ request: { body: new Uint8Array(8000) } })
      const [a, b, c] = [big(), big(), big()]
      await scene.store.add([a])
      await scene.store.add([b])
      expect((await scene.store.add([c])).evicted).toEqual([a.id])
      expect((await scene.store.stats()).bytes).toBeLessThanOrEqual(20_000)
      const huge = makeRecord({ request: { body: new Uint8Array(30_000) } })
      expect(await scene.store.add([huge])).toMatchObject({ kept: [], refused: [huge.id], evicted: [] })
    })

    it('counts bytes, not characters', async () => {
      await scene.start({ maxBytes: 2_000 })
      const wide = makeRecord({ labels: { title: '名'.repeat(600) } })
      expect(await scene.store.add([wide])).toMatchObject({ kept: [], refused: [wide.id] })
      const narrow = makeRecord({ labels: { title: 'n'.repeat(600) } })
      expect((await scene.store.add([narrow])).kept).toEqual([narrow.id])
    })

    it('says of nothing that it is kept which made room in the same batch', async () => {
      await scene.start({ maxRecords: 2 })
      const now = Date.now()
      const [oldest, second, newest] = [0, 1, 2].map((ms) => makeRecord({ timestamp: now + ms }))
      await scene.store.add([oldest!, second!])
      const { kept } = await scene.store.add([newest!, oldest!])
      const there = (await scene.store.list()).items.map(({ id }) => id)
      expect(kept.filter((id) => !there.includes(id))).toEqual([])
      expect(there).toHaveLength(2)
    })

    it('evicts by age', async () => {
      await scene.start({ maxAgeMs: 60_000 })
      const old = makeRecord({ timestamp: Date.now() - 120_000 })
      const young = makeRecord()
      await scene.store.add([old])
      const dropped = await evictions(async () => {
        await scene.store.add([young])
      })
      expect(dropped).toEqual([old.id])
      expect((await scene.store.list()).items.map((item) => item.id)).toEqual([young.id])
    })

    it('evicts by age what would be claimed, also where nothing is added any more, but not what is moved elsewhere', async () => {
      await scene.start({ maxAgeMs: 60_000 })
      const old = makeRecord({ timestamp: Date.now() - 120_000 })
      const young = makeRecord()
      await scene.store.add([old, young])
      const transfer = await scene.store.claim({ ...HELD, purpose: 'transfer', ids: [old.id] })
      expect(transfer.items.map(({ id }) => id)).toEqual([old.id])
      const { id, fence } = transfer.items[0]!
      expect(await evictions(() => scene.claimOne({ leaseMs: 60_000 }))).toEqual([])
      await scene.store.settle(id, fence, { outcome: 'later', delayMs: 0 })
      expect(await evictions(() => scene.store.claim(HELD))).toEqual([old.id])
      expect((await scene.store.list()).items.map((item) => item.id)).toEqual([young.id])
      expect((await scene.store.stats()).counters).toMatchObject({ captured: 2, evicted: 1 })
    })

    it('never evicts what a replayer holds', async () => {
      await scene.start({ maxRecords: 2 })
      const [a, b, c, d] = [makeRecord(), makeRecord(), makeRecord(), makeRecord()]
      await scene.store.add([a, b])
      const claims = [await scene.claimOne({ leaseMs: 60_000 }), await scene.claimOne({ leaseMs: 60_000 })]
      expect(await scene.store.add([c])).toMatchObject({ kept: [], refused: [c.id] })
      await scene.store.settle(claims[1]!.id, claims[1]!.fence, { outcome: 'later', delayMs: 0 })
      expect((await scene.store.add([d])).evicted).toEqual([claims[1]!.id])
      expect(await scene.store.renew(claims[0]!.id, claims[0]!.fence, 1000)).toBe(true)
    })

    it('evicts nothing for what finds no room all the same', async () => {
      await scene.start({ maxBytes: 30_000 })
      const of = (size: number): Rec => makeRecord({ request: { body: new Uint8Array(size) } })
      const [held, old, small] = [of(12_000), of(8_000), of(1_000)]
      await scene.store.add([held])
      await scene.claimOne({ leaseMs: 60_000 })
      await scene.store.add([old])
      const large = of(20_000)
      expect(await scene.store.add([large])).toMatchObject({ kept: [], refused: [large.id], evicted: [] })
      expect(await scene.store.add([small])).toMatchObject({ kept: [small.id], refused: [], evicted: [] })
      expect((await scene.store.stats()).counters).toMatchObject({ captured: 3, evicted: 0 })
    })
  })
}

type Rec = ReturnType<typeof makeRecord>
