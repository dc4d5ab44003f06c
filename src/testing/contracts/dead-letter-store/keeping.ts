import { expect } from '../expect.ts'
import { makeRecord } from '../records.ts'
import { HELD, replay, type Scene } from './scene.ts'

export function keeping(scene: Scene): void {
  const { describe, it } = scene.runner
  describe('keeping', () => {
    it('gives back every field and the body byte for byte', async () => {
      const body = Uint8Array.from({ length: 1024 }, (_, i) => i % 256)
      const record = makeRecord({
        request: { body, omittedHeaders: ['authorization'], redactedQuery: ['token'] },
        idempotencyKey: 'key-1',
        idempotencyHeader: 'idempotency-key',
        orderingKey: 'order-7',
        labels: { tenant: 'a=b', ünï: '✓' },
        traceparent: '00-1-2-01',
        notBefore: 1,
        error: { name: 'A', message: 'a', cause: { name: 'B', message: 'b', code: 'ECONNRESET' } },
        sealed: { keyId: 'k1', data: Uint8Array.of(0, 255, 10, 13) },
        editedFrom: 'before',
      })
      const result = await scene.store.add([record])
      expect(result).toEqual({ kept: [record.id], duplicates: 0, settled: [], evicted: [], refused: [] })
      const { request, sealed, ...got } = (await scene.store.get(record.id))!
      expect(got).toMatchObject({
        ...withoutBodies(record),
        status: 'pending',
        replayCount: 0,
        replays: [],
      })
      expect(Buffer.compare(request.body!, body)).toBe(0)
      expect(request).toMatchObject({ method: 'PUT', bytes: 1024, omittedHeaders: ['authorization'] })
      expect({ ...request.headers }).toEqual(record.request.headers)
      expect([...sealed!.data!]).toEqual([0, 255, 10, 13])
    })

    it('gives undefined for an id that it does not have', async () => {
      expect(await scene.store.get('nobody')).toBeUndefined()
    })

    it('keeps a request without a body', async () => {
      const record = makeRecord({ request: { method: 'GET', body: undefined, sha256: undefined } })
      await scene.store.add([record])
      expect((await scene.store.get(record.id))!.request.body).toBeUndefined()
      expect((await scene.claimOne()).id).toBe(record.id)
    })

    it('keeps a record once, however often and by whomever it is added', async () => {
      const record = makeRecord()
      const other = await scene.fixture.other()
      await Promise.all([scene.store.add([record, record]), other.add([record]), scene.store.add([record])])
      expect((await scene.store.add([record])).duplicates).toBe(1)
      const stats = await scene.store.stats()
      expect(stats.total).toBe(1)
      expect(stats.counters.captured).toBe(1)
    })

    it('does not take back a record that was settled or discarded', async () => {
      const done = makeRecord()
      const discarded = makeRecord()
      await scene.store.add([done, discarded])
      const claim = await scene.claimOne({ ids: [done.id] })
      expect(await scene.store.settle(claim.id, claim.fence, { outcome: 'done', replay: replay() })).toBe(
        'done',
      )
      expect(await scene.store.discard([discarded.id])).toBe(1)
      const again = await scene.store.add([done, discarded])
      expect(again.kept).toEqual([])
      expect([...again.settled].sort()).toEqual([done.id, discarded.id].sort())
      expect((await scene.store.stats()).total).toBe(0)
    })

    it('adds more records at once than a script can unpack', async () => {
      const records = Array.from({ length: 9000 }, () => makeRecord({ request: { body: undefined } }))
      await scene.start({ maxRecords: 20_000 })
      expect((await scene.store.add(records)).kept).toHaveLength(9000)
      expect((await scene.store.stats()).total).toBe(9000)
    })

    it('adds nothing when there is nothing to add', async () => {
      expect((await scene.store.add([])).kept).toEqual([])
    })
  })

  describe('what is not replayable', () => {
    it('is kept, shown, and never handed out, also when asked for by id', async () => {
      const record = makeRecord({ replayable: false, notReplayableReason: 'body-too-large' })
      await scene.store.add([record])
      expect((await scene.store.get(record.id))!.status).toBe('quarantined')
      expect((await scene.store.claim(HELD)).items).toEqual([])
      expect((await scene.store.claim({ ...HELD, ids: [record.id] })).items).toEqual([])
      expect(await scene.store.requeue([record.id])).toBe(0)
    })

    it('is recognised by the store itself when the record lies', async () => {
      const cut = makeRecord({ request: { body: Buffer.from('abc'), bytes: 10 } })
      const none = makeRecord({ request: { body: undefined, bytes: 5 } })
      const redacted = makeRecord({ request: { bodyRedacted: true } })
      await scene.store.add([cut, none, redacted])
      expect((await scene.store.claim(HELD)).items).toEqual([])
      expect((await scene.store.claim({ ...HELD, ids: [cut.id, none.id, redacted.id] })).items).toEqual([])
      expect(await scene.store.requeue([cut.id, none.id, redacted.id])).toBe(0)
    })

    it('is handed out for a transfer to another store', async () => {
      const record = makeRecord({ replayable: false, notReplayableReason: 'body-redacted' })
      await scene.store.add([record, makeRecord()])
      const { items } = await scene.store.claim({ ...HELD, purpose: 'transfer' })
      expect(items).toHaveLength(2)
      expect(await scene.store.discard(items.map((item) => item.id))).toBe(2)
      expect((await scene.store.stats()).total).toBe(0)
    })
  })
}

function withoutBodies(record: ReturnType<typeof makeRecord>): object {
  const { request: _request, sealed: _sealed, labels, response: _response, ...rest } = record
  return { ...rest, labels: { ...labels } }
}
