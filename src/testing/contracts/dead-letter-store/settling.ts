import type { ClaimedDeadLetter } from '../../../dead-letter/record/record.ts'
import { expect } from '../expect.ts'
import { makeRecord } from '../records.ts'
import { HELD, replay, type Scene } from './scene.ts'

export function settling(scene: Scene): void {
  const { describe, it } = scene.runner
  describe('settling', () => {
    it('removes what is done, and says so once', async () => {
      await scene.store.add([makeRecord()])
      const claim = await scene.claimOne()
      const done = { outcome: 'done', replay: replay({ outcome: 'done' }) } as const
      expect(await scene.store.settle(claim.id, claim.fence, done)).toBe('done')
      expect(await scene.store.settle(claim.id, claim.fence, done)).toBe('gone')
      expect(await scene.store.get(claim.id)).toBeUndefined()
      expect((await scene.store.list()).items).toEqual([])
      const stats = await scene.store.stats()
      expect(stats).toMatchObject({ total: 0, bytes: 0, counters: { captured: 1, replayed: 1 } })
    })

    it('brings a failed one back after the delay, and records the replay on it', async () => {
      await scene.store.add([makeRecord()])
      const claim = await scene.claimOne()
      const failed = {
        outcome: 'failed',
        replay: replay({ code: 'X' }),
        delayMs: 300,
        maxReplays: 3,
      } as const
      expect(await scene.store.settle(claim.id, claim.fence, failed)).toBe('again')
      expect((await scene.store.claim(HELD)).items).toEqual([])
      await scene.fixture.advance(320)
      const again = await scene.claimOne()
      expect(again.replayCount).toBe(1)
      expect(again.replays).toHaveLength(1)
      expect(again.replays[0]).toMatchObject({ outcome: 'failed', statusCode: 503, code: 'X', ms: 5 })
    })

    it('quarantines after maxReplays', async () => {
      await scene.store.add([makeRecord()])
      const failed = { outcome: 'failed', replay: replay(), delayMs: 0, maxReplays: 2 } as const
      const one = await scene.claimOne()
      expect(await scene.store.settle(one.id, one.fence, failed)).toBe('again')
      const two = await scene.claimOne()
      expect(await scene.store.settle(two.id, two.fence, failed)).toBe('quarantined')
      expect((await scene.store.claim(HELD)).items).toEqual([])
      expect((await scene.store.get(two.id))!).toMatchObject({ status: 'quarantined', replayCount: 2 })
    })

    it('uses up no replay when nothing was sent', async () => {
      await scene.store.add([makeRecord()])
      for (let i = 0; i < 5; i++) {
        const claim = await scene.claimOne({ maxReplays: 1 })
        await scene.store.renew(claim.id, claim.fence, 1000)
        expect(await scene.store.settle(claim.id, claim.fence, { outcome: 'later', delayMs: 0 })).toBe(
          'again',
        )
      }
      const claim = await scene.claimOne()
      const limited = replay({ statusCode: 429 })
      await scene.store.settle(claim.id, claim.fence, { outcome: 'later', delayMs: 0, replay: limited })
      // it is recorded, and not counted
      expect(await scene.claimOne()).toMatchObject({
        replayCount: 0,
        replays: [{ outcome: 'failed', statusCode: 429 }],
      })
    })

    it('puts in doubt and quarantines with a note', async () => {
      await scene.store.add([makeRecord(), makeRecord()])
      const { items } = await scene.store.claim(HELD)
      const [a, b] = items as [ClaimedDeadLetter, ClaimedDeadLetter]
      expect(
        await scene.store.settle(a.id, a.fence, { outcome: 'in-doubt', replay: replay(), note: 'why' }),
      ).toBe('in-doubt')
      expect(
        await scene.store.settle(b.id, b.fence, { outcome: 'quarantined', replay: replay(), note: 'no' }),
      ).toBe('quarantined')
      expect((await scene.store.get(a.id))!).toMatchObject({ status: 'in-doubt', note: 'why' })
      expect((await scene.store.get(b.id))!).toMatchObject({ status: 'quarantined', note: 'no' })
      expect((await scene.store.stats()).byStatus).toEqual({
        pending: 0,
        leased: 0,
        sending: 0,
        'in-doubt': 1,
        quarantined: 1,
      })
    })

    it('hands out what is in doubt or quarantined by id only', async () => {
      const record = makeRecord()
      await scene.store.add([record], { status: 'quarantined', note: 'imported' })
      expect((await scene.store.claim(HELD)).items).toEqual([])
      expect((await scene.claimOne({ ids: [record.id] })).id).toBe(record.id)
    })

    it('puts what a person had claimed back where it was when nothing was sent', async () => {
      const [lapsed, given] = [makeRecord(), makeRecord()]
      await scene.store.add([lapsed, given], { status: 'quarantined', note: 'imported' })
      const claim = await scene.claimOne({ ids: [given.id] })
      await scene.store.settle(claim.id, claim.fence, { outcome: 'later', delayMs: 0 })
      await scene.claimOne({ ids: [lapsed.id] })
      await scene.fixture.advance(scene.leaseMs * 2)
      expect((await scene.store.claim(HELD)).items).toEqual([])
      expect((await scene.store.stats()).byStatus).toMatchObject({ pending: 0, quarantined: 2 })
      const transfer = await scene.store.claim({ limit: 10, leaseMs: scene.leaseMs, purpose: 'transfer' })
      expect(transfer.items).toHaveLength(2)
      await scene.fixture.advance(scene.leaseMs * 2)
      expect((await scene.store.claim(HELD)).items).toEqual([])
    })

    it('counts one of two settlements of one claim', async () => {
      await scene.store.add([makeRecord()])
      const claim = await scene.claimOne({ leaseMs: 60_000 })
      await scene.store.renew(claim.id, claim.fence, 60_000)
      const other = await scene.fixture.other()
      const failed = { outcome: 'failed', replay: replay(), delayMs: 0, maxReplays: 9 } as const
      const results = await Promise.all(
        [scene.store, other, scene.store, other].map((one) => one.settle(claim.id, claim.fence, failed)),
      )
      expect(results.sort()).toEqual(['again', 'stale', 'stale', 'stale'])
      expect(await scene.claimOne()).toMatchObject({ replayCount: 1, replays: [{ outcome: 'failed' }] })
    })

    it('brings an entry back once, whoever requeues it at the same time', async () => {
      const record = makeRecord()
      await scene.store.add([record], { status: 'quarantined' })
      const other = await scene.fixture.other()
      const counts = await Promise.all(
        [scene.store, other, scene.store, other].map((one) => one.requeue([record.id, record.id])),
      )
      expect(counts.sort()).toEqual([0, 0, 0, 1])
      expect((await scene.store.stats()).byStatus).toMatchObject({ pending: 1, quarantined: 0 })
    })

    it('goes on with notes and codes that end in half a character, or hold a NUL', async () => {
      const half = 'cut \ud83d'
      const record = makeRecord({
        orderingKey: half,
        labels: { half },
        error: { name: 'Error', message: half },
      })
      await scene.store.add([record], { status: 'quarantined', note: half })
      const claim = await scene.claimOne({ ids: [record.id] })
      const note = `${half} \u0000 "\\`
      const odd = replay({ outcome: 'refused', code: half })
      await scene.store.settle(claim.id, claim.fence, { outcome: 'quarantined', replay: odd, note })
      const entry = await scene.claimOne({ ids: [record.id] })
      expect(entry.note!.toWellFormed()).toBe(note.toWellFormed())
      expect(entry.replays[0]!.code!.toWellFormed()).toBe(half.toWellFormed())
      expect(await scene.store.renew(entry.id, entry.fence, 60_000)).toBe(true)
      expect(await scene.store.settle(entry.id, entry.fence, { outcome: 'later', delayMs: 0 })).toBe('again')
      expect((await scene.store.list()).items.map(({ id }) => id)).toEqual([record.id])
    })

    it('remembers the newest 20 replays', async () => {
      await scene.store.add([makeRecord()])
      for (let i = 0; i < 23; i++) {
        const claim = await scene.claimOne()
        const outcome = {
          outcome: 'failed',
          replay: replay({ statusCode: 500 + i }),
          delayMs: 0,
          maxReplays: 99,
        } as const
        await scene.store.settle(claim.id, claim.fence, outcome)
      }
      const { replays, replayCount } = await scene.claimOne()
      expect(replayCount).toBe(23)
      expect(replays.map((one) => one.statusCode)).toEqual(Array.from({ length: 20 }, (_, i) => 503 + i))
    })
  })
}
