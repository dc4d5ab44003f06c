import { expect } from '../expect.ts'
import { makeRecord } from '../records.ts'
import { HELD, replay, type Scene } from './scene.ts'

export function claiming(scene: Scene): void {
  const { describe, it } = scene.runner
  describe('claiming', () => {
    it('hands every entry to one claimer only', async () => {
      await scene.store.add(Array.from({ length: 60 }, () => makeRecord()))
      const other = await scene.fixture.other()
      const claims = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          (i % 2 ? other : scene.store).claim({ limit: 10, leaseMs: 60_000 }),
        ),
      )
      const ids = claims.flatMap((claim) => claim.items.map((item) => item.id))
      expect(ids).toHaveLength(60)
      expect(new Set(ids).size).toBe(60)
    })

    it('hands out in the order of the due time, with body and a rising fence', async () => {
      const at = Date.now() - 1000
      const late = makeRecord({ timestamp: at + 2 })
      const early = makeRecord({ timestamp: at + 1 })
      await scene.store.add([late, early])
      const { items } = await scene.store.claim(HELD)
      expect(items.map((item) => item.id)).toEqual([early.id, late.id])
      expect(items[1]!.fence).toBeGreaterThan(items[0]!.fence)
      expect(Buffer.from(items[0]!.request.body!).toString()).toBe('{"name":"Ada"}')
      expect(items[0]!.status).toBe('leased')
    })

    it('holds back what is not due yet, unless it is asked for by id', async () => {
      const record = makeRecord({ notBefore: Date.now() + 3_600_000 })
      await scene.store.add([record])
      expect((await scene.store.claim(HELD)).items).toEqual([])
      expect((await scene.claimOne({ ids: [record.id] })).id).toBe(record.id)
    })

    it('applies the filter before the limit', async () => {
      await scene.store.add(
        Array.from({ length: 150 }, (_, i) => makeRecord({ integration: i === 149 ? 'rare' : 'common' })),
      )
      expect((await scene.claimOne({ filter: { integration: 'rare' } })).integration).toBe('rare')
    })

    it('hands on an entry whose lease lapsed before it was being sent, with a new fence', async () => {
      await scene.store.add([makeRecord({ request: { method: 'POST' } })])
      const first = await scene.claimOne()
      expect((await scene.store.claim(HELD)).items).toEqual([])
      await scene.fixture.advance(scene.leaseMs * 2)
      const second = await scene.claimOne()
      expect(second.id).toBe(first.id)
      expect(second.fence).toBeGreaterThan(first.fence)
      expect(second.replayCount).toBe(0)
      expect(await scene.store.renew(first.id, first.fence, 1000)).toBe(false)
      expect(await scene.store.settle(first.id, first.fence, { outcome: 'done', replay: replay() })).toBe(
        'stale',
      )
      expect(await scene.store.renew(second.id, second.fence, 1000)).toBe(true)
      expect((await scene.store.get(second.id))!.status).toBe('sending')
    })

    it('puts what was not repeatable and was lost while sending in doubt', async () => {
      await scene.store.add([makeRecord({ request: { method: 'POST' } })])
      const claim = await scene.claimOne()
      expect(await scene.store.renew(claim.id, claim.fence, scene.leaseMs)).toBe(true)
      await scene.fixture.advance(scene.leaseMs * 2)
      expect((await scene.store.claim(HELD)).items).toEqual([])
      const entry = (await scene.store.get(claim.id))!
      expect(entry).toMatchObject({ status: 'in-doubt', replayCount: 1, replays: [{ outcome: 'lapsed' }] })
      const failed = { outcome: 'failed', replay: replay(), delayMs: 0, maxReplays: 9 } as const
      expect(await scene.store.settle(claim.id, claim.fence, failed)).toBe('stale')
      expect((await scene.store.get(claim.id))!.status).toBe('in-doubt')
    })

    it('believes a sender whose lease lapsed that the server took it, unless there was a claim since', async () => {
      const done = { outcome: 'done', replay: replay() } as const
      await scene.store.add([makeRecord(), makeRecord({ request: { method: 'POST' } })])
      const late = (await scene.store.claim({ limit: 2, leaseMs: scene.leaseMs })).items
      for (const item of late) await scene.store.renew(item.id, item.fence, scene.leaseMs)
      await scene.fixture.advance(scene.leaseMs * 2)
      expect((await scene.store.claim({ ...HELD, lapseDelayMs: 60_000 })).items).toEqual([])
      for (const item of late) {
        expect(await scene.store.settle(item.id, item.fence - 1, done)).toBe('stale')
        expect(await scene.store.settle(item.id, item.fence, done)).toBe('done')
      }
      const { total, byStatus, counters } = await scene.store.stats()
      expect({ total, byStatus, replayed: counters.replayed }).toEqual({
        total: 0,
        byStatus: { pending: 0, leased: 0, sending: 0, 'in-doubt': 0, quarantined: 0 },
        replayed: 2,
      })
      expect((await scene.store.add([makeRecord({ id: late[0]!.id })])).settled).toEqual([late[0]!.id])

      await scene.store.add([makeRecord()])
      const first = await scene.claimOne()
      await scene.store.renew(first.id, first.fence, scene.leaseMs)
      await scene.fixture.advance(scene.leaseMs * 2)
      await scene.claimOne()
      expect(await scene.store.settle(first.id, first.fence, done)).toBe('stale')
    })

    it('lets what was lost while sending wait for as long as it is told, counted from when that is seen', async () => {
      await scene.store.add([makeRecord()])
      const claim = await scene.claimOne()
      await scene.store.renew(claim.id, claim.fence, scene.leaseMs)
      const { leaseUntil } = claim
      await scene.fixture.advance(scene.leaseMs * 2)
      const lapseDelayMs = scene.leaseMs * 8
      const waits = { ...HELD, lapseDelayMs }
      expect((await scene.store.claim(waits)).items).toEqual([])
      const { status, dueAt, replayCount } = (await scene.store.get(claim.id))!
      expect({ status, replayCount }).toEqual({ status: 'pending', replayCount: 1 })
      // a store may time leases by another clock than what is due: both are whole milliseconds
      // not from the end of the lease: where the clock has stepped its holder is still sending
      expect(dueAt - leaseUntil).toBeGreaterThanOrEqual(scene.leaseMs + lapseDelayMs - 1)
      await scene.fixture.advance(lapseDelayMs)
      expect((await scene.store.claim(waits)).items).toMatchObject([{ id: claim.id, replayCount: 1 }])
    })

    it('hands on an entry whose texts end in the middle of a character', async () => {
      const cut = '😀'.slice(0, 1)
      await scene.store.add([makeRecord({ integration: `crm ${cut}`, labels: { [`k${cut}`]: cut } })])
      const { items, corrupt } = await scene.store.claim(HELD)
      expect({ items: items.length, corrupt }).toEqual({ items: 1, corrupt: [] })
      await scene.store.settle(items[0]!.id, items[0]!.fence, { outcome: 'done', replay: replay() })
      expect(await scene.store.stats()).toMatchObject({ total: 0, bytes: 0, byStatus: { pending: 0 } })
    })

    it('hands on what is repeatable and was lost while sending, by method or by idempotency key', async () => {
      await scene.store.add([makeRecord(), makeRecord({ request: { method: 'POST' }, idempotencyKey: 'k' })])
      for (const item of (await scene.store.claim({ limit: 2, leaseMs: scene.leaseMs })).items) {
        expect(await scene.store.renew(item.id, item.fence, scene.leaseMs)).toBe(true)
      }
      await scene.fixture.advance(scene.leaseMs * 2)
      const again = await scene.store.claim(HELD)
      expect(again.items.map((item) => item.replayCount)).toEqual([1, 1])
    })

    it('believes what the retry layer said of a lost request before its method', async () => {
      const put = makeRecord({ repeatable: false })
      const post = makeRecord({ repeatable: true, request: { method: 'POST' } })
      await scene.store.add([put, post])
      for (const item of (await scene.store.claim({ limit: 2, leaseMs: scene.leaseMs })).items) {
        expect(await scene.store.renew(item.id, item.fence, scene.leaseMs)).toBe(true)
      }
      await scene.fixture.advance(scene.leaseMs * 2)
      expect((await scene.store.claim(HELD)).items.map(({ id }) => id)).toEqual([post.id])
      expect((await scene.store.get(put.id))!.status).toBe('in-doubt')
    })

    it('quarantines what was lost while sending too often', async () => {
      await scene.store.add([makeRecord()])
      const claim = await scene.claimOne()
      await scene.store.renew(claim.id, claim.fence, scene.leaseMs)
      await scene.fixture.advance(scene.leaseMs * 2)
      expect((await scene.store.claim({ ...HELD, maxReplays: 1 })).items).toEqual([])
      expect((await scene.store.get(claim.id))!.status).toBe('quarantined')
    })

    it('holds the followers of an ordering key until the one before them is gone', async () => {
      const [a, b, c] = [1, 2, 3].map(() => makeRecord({ orderingKey: 'order-1' })) as [never, never, never]
      const free = makeRecord({ orderingKey: 'order-10' })
      await scene.store.add([c, b, a, free])
      const first = await scene.store.claim(HELD)
      expect(first.items.map((item) => item.id).sort()).toEqual([idOf(a), free.id].sort())
      const head = first.items.find((item) => item.id === idOf(a))!
      expect((await scene.store.claim({ ...HELD, ids: [idOf(b)] })).items).toEqual([])
      await scene.store.settle(head.id, head.fence, { outcome: 'quarantined', replay: replay(), note: 'no' })
      expect((await scene.store.claim(HELD)).items).toEqual([])
      await scene.store.discard([head.id])
      expect((await scene.store.claim(HELD)).items.map((item) => item.id)).toEqual([idOf(b)])
    })
  })
}

function idOf(record: { id: string }): string {
  return record.id
}
