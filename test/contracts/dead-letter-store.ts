import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ClaimedDeadLetter, DeadLetterReplay } from '../../src/dead-letter/record.ts'
import type { ClaimOptions, DeadLetterStore, RetentionOptions } from '../../src/dead-letter/store.ts'
import { channels, type DeadLetterDroppedEvent } from '../../src/telemetry/channels.ts'
import { makeRecord } from './dead-letter-records.ts'

export interface StoreUnderTest {
  store: DeadLetterStore
  /** Lets the store's clock pass. */
  advance(ms: number): Promise<void>
  /** A second process's view of the same entries; the same store where there can be none. */
  other(): Promise<DeadLetterStore>
  /** Makes what is stored under the id unreadable: for stores that keep bytes. */
  damage?(id: string): Promise<void>
  dispose(): Promise<void>
}

const replay = (changes: Partial<DeadLetterReplay> = {}): DeadLetterReplay => ({
  at: Date.now(),
  ms: 5,
  outcome: 'failed',
  statusCode: 503,
  ...changes,
})

const HELD: ClaimOptions = { limit: 10, leaseMs: 60_000 }
const SHORT = 25

/** What every dead-letter store must do; run against each of them. What is kept as objects cannot become unreadable. */
export function deadLetterStoreContract(
  kind: string,
  make: (retention: RetentionOptions) => Promise<StoreUnderTest>,
  keptAs: 'bytes' | 'objects' = 'bytes',
): void {
  describe(`dead-letter store contract: ${kind}`, () => {
    let current: StoreUnderTest
    let store: DeadLetterStore
    const made: StoreUnderTest[] = []

    async function start(retention: RetentionOptions = {}): Promise<DeadLetterStore> {
      current = await make(retention)
      made.push(current)
      store = current.store
      return store
    }

    async function claimOne(options: Partial<ClaimOptions> = {}): Promise<ClaimedDeadLetter> {
      const { items } = await store.claim({ limit: 1, leaseMs: SHORT, ...options })
      expect(items).toHaveLength(1)
      return items[0]!
    }

    beforeEach(async () => {
      await start()
    })

    afterEach(async () => {
      for (const one of made.splice(0)) await one.dispose()
    })

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
        const result = await store.add([record])
        expect(result).toEqual({ kept: [record.id], duplicates: 0, settled: [], evicted: [], refused: [] })
        const { request, sealed, ...got } = (await store.get(record.id))!
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
        expect(await store.get('nobody')).toBeUndefined()
      })

      it('keeps a request without a body', async () => {
        const record = makeRecord({ request: { method: 'GET', body: undefined, sha256: undefined } })
        await store.add([record])
        expect((await store.get(record.id))!.request.body).toBeUndefined()
        expect((await claimOne()).id).toBe(record.id)
      })

      it('keeps a record once, however often and by whomever it is added', async () => {
        const record = makeRecord()
        const other = await current.other()
        await Promise.all([store.add([record, record]), other.add([record]), store.add([record])])
        expect((await store.add([record])).duplicates).toBe(1)
        const stats = await store.stats()
        expect(stats.total).toBe(1)
        expect(stats.counters.captured).toBe(1)
      })

      it('does not take back a record that was settled or discarded', async () => {
        const done = makeRecord()
        const discarded = makeRecord()
        await store.add([done, discarded])
        const claim = await claimOne({ ids: [done.id] })
        expect(await store.settle(claim.id, claim.fence, { outcome: 'done', replay: replay() })).toBe('done')
        expect(await store.discard([discarded.id])).toBe(1)
        const again = await store.add([done, discarded])
        expect(again.kept).toEqual([])
        expect([...again.settled].sort()).toEqual([done.id, discarded.id].sort())
        expect((await store.stats()).total).toBe(0)
      })

      it('adds more records at once than a script can unpack', async () => {
        const records = Array.from({ length: 9000 }, () => makeRecord({ request: { body: undefined } }))
        store = await start({ maxRecords: 20_000 })
        expect((await store.add(records)).kept).toHaveLength(9000)
        expect((await store.stats()).total).toBe(9000)
      })

      it('adds nothing when there is nothing to add', async () => {
        expect((await store.add([])).kept).toEqual([])
      })
    })

    describe('what is not replayable', () => {
      it('is kept, shown, and never handed out, also when asked for by id', async () => {
        const record = makeRecord({ replayable: false, notReplayableReason: 'body_too_large' })
        await store.add([record])
        expect((await store.get(record.id))!.status).toBe('quarantined')
        expect((await store.claim(HELD)).items).toEqual([])
        expect((await store.claim({ ...HELD, ids: [record.id] })).items).toEqual([])
        expect(await store.requeue([record.id])).toBe(0)
      })

      it('is recognised by the store itself when the record lies', async () => {
        const cut = makeRecord({ request: { body: Buffer.from('abc'), bytes: 10 } })
        const none = makeRecord({ request: { body: undefined, bytes: 5 } })
        const redacted = makeRecord({ request: { bodyRedacted: true } })
        await store.add([cut, none, redacted])
        expect((await store.claim(HELD)).items).toEqual([])
        expect((await store.claim({ ...HELD, ids: [cut.id, none.id, redacted.id] })).items).toEqual([])
        expect(await store.requeue([cut.id, none.id, redacted.id])).toBe(0)
      })

      it('is handed out for a transfer to another store', async () => {
        const record = makeRecord({ replayable: false, notReplayableReason: 'body_redacted' })
        await store.add([record, makeRecord()])
        const { items } = await store.claim({ ...HELD, purpose: 'transfer' })
        expect(items).toHaveLength(2)
        expect(await store.discard(items.map((item) => item.id))).toBe(2)
        expect((await store.stats()).total).toBe(0)
      })
    })

    describe('listing', () => {
      it('pages newest first, without bodies, and inserts neither repeat nor skip an entry', async () => {
        const at = Date.now()
        const records = Array.from({ length: 25 }, (_, i) =>
          makeRecord({ timestamp: at + Math.floor(i / 5) }),
        )
        await store.add(records)
        const seen: string[] = []
        let cursor: string | undefined
        do {
          const page = await store.list({ limit: 4, cursor })
          seen.push(...page.items.map((item) => item.id))
          for (const item of page.items) expect(item.request.body).toBeUndefined()
          cursor = page.cursor
          await store.add([makeRecord({ timestamp: at + 100 })])
        } while (cursor !== undefined)
        expect(seen).toEqual(records.map((record) => record.id).reverse())
      })

      it('filters by name, origin, reason, status, code, label and time, alone and together', async () => {
        const at = Date.now()
        const a = makeRecord({ timestamp: at, name: 'calendly', labels: { tenant: 't1', tier: 'gold' } })
        const b = makeRecord({
          timestamp: at + 10,
          reason: 'breaker_open',
          request: { url: 'https://other.example/x' },
        })
        const c = makeRecord({
          timestamp: at + 20,
          response: undefined,
          error: { name: 'Error', message: 'reset', code: 'ECONNRESET' },
          labels: { tenant: 't2' },
        })
        await store.add([a, b], {})
        await store.add([c], { status: 'quarantined' })
        const ids = async (query: Parameters<DeadLetterStore['list']>[0]): Promise<string[]> =>
          (await store.list(query)).items.map((item) => item.id)
        expect(await ids({ name: 'calendly' })).toEqual([a.id])
        expect(await ids({ origin: 'https://other.example' })).toEqual([b.id])
        expect(await ids({ reason: 'breaker_open' })).toEqual([b.id])
        expect(await ids({ status: 'quarantined' })).toEqual([c.id])
        expect(await ids({ code: 'ECONNRESET' })).toEqual([c.id])
        expect(await ids({ code: '503' })).toEqual([b.id, a.id])
        expect(await ids({ label: 'tenant' })).toEqual([c.id, a.id])
        expect(await ids({ label: 'tenant=t1' })).toEqual([a.id])
        expect(await ids({ label: '__proto__' })).toEqual([])
        expect(await ids({ from: at + 10 })).toEqual([c.id, b.id])
        expect(await ids({ to: at + 10 })).toEqual([a.id])
        expect(await ids({ from: at + 10, to: at + 20, origin: 'https://other.example' })).toEqual([b.id])
        expect(await ids({ name: 'calendly', reason: 'breaker_open' })).toEqual([])
      })

      it('finds the few that match among many, page by page', async () => {
        const at = Date.now()
        await store.add(
          Array.from({ length: 500 }, (_, i) =>
            makeRecord({ timestamp: at + i, name: i % 100 === 0 ? 'rare' : 'common' }),
          ),
        )
        const first = await store.list({ name: 'rare', limit: 3 })
        expect(first.items.map((item) => item.timestamp - at)).toEqual([400, 300, 200])
        const second = await store.list({ name: 'rare', limit: 3, cursor: first.cursor })
        expect(second.items.map((item) => item.timestamp - at)).toEqual([100, 0])
        expect(second.cursor).toBeUndefined()
      })

      it('refuses a query that it does not understand', async () => {
        await expect(store.list({ nam: 'x' } as never)).rejects.toThrow('`nam`')
        await expect(store.list({ limit: 0 })).rejects.toThrow(
          '`query.limit` must be an integer >= 1 and <= 1000, got 0',
        )
        await expect(store.list({ cursor: '!!' })).rejects.toThrow('`query.cursor`')
        await expect(store.list({ status: 'open' as never })).rejects.toThrow('`query.status`')
      })
    })

    describe('claiming', () => {
      it('hands every entry to one claimer only', async () => {
        await store.add(Array.from({ length: 60 }, () => makeRecord()))
        const other = await current.other()
        const claims = await Promise.all(
          Array.from({ length: 12 }, (_, i) => (i % 2 ? other : store).claim({ limit: 10, leaseMs: 60_000 })),
        )
        const ids = claims.flatMap((claim) => claim.items.map((item) => item.id))
        expect(ids).toHaveLength(60)
        expect(new Set(ids).size).toBe(60)
      })

      it('hands out in the order of the due time, with body and a rising fence', async () => {
        const at = Date.now() - 1000
        const late = makeRecord({ timestamp: at + 2 })
        const early = makeRecord({ timestamp: at + 1 })
        await store.add([late, early])
        const { items } = await store.claim(HELD)
        expect(items.map((item) => item.id)).toEqual([early.id, late.id])
        expect(items[1]!.fence).toBeGreaterThan(items[0]!.fence)
        expect(Buffer.from(items[0]!.request.body!).toString()).toBe('{"name":"Ada"}')
        expect(items[0]!.status).toBe('leased')
      })

      it('holds back what is not due yet, unless it is asked for by id', async () => {
        const record = makeRecord({ notBefore: Date.now() + 3_600_000 })
        await store.add([record])
        expect((await store.claim(HELD)).items).toEqual([])
        expect((await claimOne({ ids: [record.id] })).id).toBe(record.id)
      })

      it('applies the filter before the limit', async () => {
        await store.add(
          Array.from({ length: 150 }, (_, i) => makeRecord({ name: i === 149 ? 'rare' : 'common' })),
        )
        expect((await claimOne({ filter: { name: 'rare' } })).name).toBe('rare')
      })

      it('hands on an entry whose lease lapsed before it was being sent, with a new fence', async () => {
        await store.add([makeRecord({ request: { method: 'POST' } })])
        const first = await claimOne()
        expect((await store.claim(HELD)).items).toEqual([])
        await current.advance(SHORT * 2)
        const second = await claimOne()
        expect(second.id).toBe(first.id)
        expect(second.fence).toBeGreaterThan(first.fence)
        expect(second.replayCount).toBe(0)
        expect(await store.renew(first.id, first.fence, 1000)).toBe(false)
        expect(await store.settle(first.id, first.fence, { outcome: 'done', replay: replay() })).toBe('stale')
        expect(await store.renew(second.id, second.fence, 1000)).toBe(true)
        expect((await store.get(second.id))!.status).toBe('sending')
      })

      it('puts what was not repeatable and was lost while sending in doubt', async () => {
        await store.add([makeRecord({ request: { method: 'POST' } })])
        const claim = await claimOne()
        expect(await store.renew(claim.id, claim.fence, SHORT)).toBe(true)
        await current.advance(SHORT * 2)
        expect((await store.claim(HELD)).items).toEqual([])
        const entry = (await store.get(claim.id))!
        expect(entry).toMatchObject({ status: 'in_doubt', replayCount: 1, replays: [{ outcome: 'lapsed' }] })
        const failed = { outcome: 'failed', replay: replay(), delayMs: 0, maxReplays: 9 } as const
        expect(await store.settle(claim.id, claim.fence, failed)).toBe('stale')
        expect((await store.get(claim.id))!.status).toBe('in_doubt')
      })

      it('believes a sender whose lease lapsed that the server took it, unless there was a claim since', async () => {
        const done = { outcome: 'done', replay: replay() } as const
        await store.add([makeRecord(), makeRecord({ request: { method: 'POST' } })])
        const late = (await store.claim({ limit: 2, leaseMs: SHORT })).items
        for (const item of late) await store.renew(item.id, item.fence, SHORT)
        await current.advance(SHORT * 2)
        expect((await store.claim({ ...HELD, lapseDelayMs: 60_000 })).items).toEqual([])
        for (const item of late) {
          expect(await store.settle(item.id, item.fence - 1, done)).toBe('stale')
          expect(await store.settle(item.id, item.fence, done)).toBe('done')
        }
        const { total, byStatus, counters } = await store.stats()
        expect({ total, byStatus, replayed: counters.replayed }).toEqual({
          total: 0,
          byStatus: { pending: 0, leased: 0, sending: 0, in_doubt: 0, quarantined: 0 },
          replayed: 2,
        })
        expect((await store.add([makeRecord({ id: late[0]!.id })])).settled).toEqual([late[0]!.id])

        await store.add([makeRecord()])
        const first = await claimOne()
        await store.renew(first.id, first.fence, SHORT)
        await current.advance(SHORT * 2)
        await claimOne()
        expect(await store.settle(first.id, first.fence, done)).toBe('stale')
      })

      it('lets what was lost while sending wait for as long as it is told, counted from the end of its lease', async () => {
        await store.add([makeRecord()])
        const claim = await claimOne()
        await store.renew(claim.id, claim.fence, SHORT)
        const { leaseUntil } = claim
        await current.advance(SHORT * 2)
        const waits = { ...HELD, lapseDelayMs: 200 }
        expect((await store.claim(waits)).items).toEqual([])
        const { status, dueAt, replayCount } = (await store.get(claim.id))!
        expect({ status, replayCount }).toEqual({ status: 'pending', replayCount: 1 })
        expect(dueAt - leaseUntil).toBeGreaterThanOrEqual(200)
        expect(dueAt - leaseUntil).toBeLessThan(200 + SHORT * 2)
        await current.advance(200)
        expect((await store.claim(waits)).items).toMatchObject([{ id: claim.id, replayCount: 1 }])
      })

      it('hands on an entry whose texts end in the middle of a character', async () => {
        const cut = '😀'.slice(0, 1)
        await store.add([makeRecord({ name: `crm ${cut}`, labels: { [`k${cut}`]: cut } })])
        const { items, corrupt } = await store.claim(HELD)
        expect({ items: items.length, corrupt }).toEqual({ items: 1, corrupt: [] })
        await store.settle(items[0]!.id, items[0]!.fence, { outcome: 'done', replay: replay() })
        expect(await store.stats()).toMatchObject({ total: 0, bytes: 0, byStatus: { pending: 0 } })
      })

      it('hands on what is repeatable and was lost while sending, by method or by idempotency key', async () => {
        await store.add([makeRecord(), makeRecord({ request: { method: 'POST' }, idempotencyKey: 'k' })])
        for (const item of (await store.claim({ limit: 2, leaseMs: SHORT })).items) {
          expect(await store.renew(item.id, item.fence, SHORT)).toBe(true)
        }
        await current.advance(SHORT * 2)
        const again = await store.claim(HELD)
        expect(again.items.map((item) => item.replayCount)).toEqual([1, 1])
      })

      it('quarantines what was lost while sending too often', async () => {
        await store.add([makeRecord()])
        const claim = await claimOne()
        await store.renew(claim.id, claim.fence, SHORT)
        await current.advance(SHORT * 2)
        expect((await store.claim({ ...HELD, maxReplays: 1 })).items).toEqual([])
        expect((await store.get(claim.id))!.status).toBe('quarantined')
      })

      it('holds the followers of an ordering key until the one before them is gone', async () => {
        const [a, b, c] = [1, 2, 3].map(() => makeRecord({ orderingKey: 'order-1' })) as [never, never, never]
        const free = makeRecord({ orderingKey: 'order-10' })
        await store.add([c, b, a, free])
        const first = await store.claim(HELD)
        expect(first.items.map((item) => item.id).sort()).toEqual([idOf(a), free.id].sort())
        const head = first.items.find((item) => item.id === idOf(a))!
        expect((await store.claim({ ...HELD, ids: [idOf(b)] })).items).toEqual([])
        await store.settle(head.id, head.fence, { outcome: 'quarantined', replay: replay(), note: 'no' })
        expect((await store.claim(HELD)).items).toEqual([])
        await store.discard([head.id])
        expect((await store.claim(HELD)).items.map((item) => item.id)).toEqual([idOf(b)])
      })
    })

    describe('settling', () => {
      it('removes what is done, and says so once', async () => {
        await store.add([makeRecord()])
        const claim = await claimOne()
        const done = { outcome: 'done', replay: replay({ outcome: 'done' }) } as const
        expect(await store.settle(claim.id, claim.fence, done)).toBe('done')
        expect(await store.settle(claim.id, claim.fence, done)).toBe('gone')
        expect(await store.get(claim.id)).toBeUndefined()
        expect((await store.list()).items).toEqual([])
        const stats = await store.stats()
        expect(stats).toMatchObject({ total: 0, bytes: 0, counters: { captured: 1, replayed: 1 } })
      })

      it('brings a failed one back after the delay, and records the replay on it', async () => {
        await store.add([makeRecord()])
        const claim = await claimOne()
        const failed = {
          outcome: 'failed',
          replay: replay({ code: 'X' }),
          delayMs: 300,
          maxReplays: 3,
        } as const
        expect(await store.settle(claim.id, claim.fence, failed)).toBe('again')
        expect((await store.claim(HELD)).items).toEqual([])
        await current.advance(320)
        const again = await claimOne()
        expect(again.replayCount).toBe(1)
        expect(again.replays).toHaveLength(1)
        expect(again.replays[0]).toMatchObject({ outcome: 'failed', statusCode: 503, code: 'X', ms: 5 })
      })

      it('quarantines after maxReplays', async () => {
        await store.add([makeRecord()])
        const failed = { outcome: 'failed', replay: replay(), delayMs: 0, maxReplays: 2 } as const
        const one = await claimOne()
        expect(await store.settle(one.id, one.fence, failed)).toBe('again')
        const two = await claimOne()
        expect(await store.settle(two.id, two.fence, failed)).toBe('quarantined')
        expect((await store.claim(HELD)).items).toEqual([])
        expect((await store.get(two.id))!).toMatchObject({ status: 'quarantined', replayCount: 2 })
      })

      it('uses up no replay when nothing was sent', async () => {
        await store.add([makeRecord()])
        for (let i = 0; i < 5; i++) {
          const claim = await claimOne({ maxReplays: 1 })
          await store.renew(claim.id, claim.fence, 1000)
          expect(await store.settle(claim.id, claim.fence, { outcome: 'later', delayMs: 0 })).toBe('again')
        }
        const claim = await claimOne()
        const limited = replay({ statusCode: 429 })
        await store.settle(claim.id, claim.fence, { outcome: 'later', delayMs: 0, replay: limited })
        // it is recorded, and not counted
        expect(await claimOne()).toMatchObject({
          replayCount: 0,
          replays: [{ outcome: 'failed', statusCode: 429 }],
        })
      })

      it('puts in doubt and quarantines with a note', async () => {
        await store.add([makeRecord(), makeRecord()])
        const { items } = await store.claim(HELD)
        const [a, b] = items as [ClaimedDeadLetter, ClaimedDeadLetter]
        expect(
          await store.settle(a.id, a.fence, { outcome: 'in_doubt', replay: replay(), note: 'why' }),
        ).toBe('in_doubt')
        expect(
          await store.settle(b.id, b.fence, { outcome: 'quarantined', replay: replay(), note: 'no' }),
        ).toBe('quarantined')
        expect((await store.get(a.id))!).toMatchObject({ status: 'in_doubt', note: 'why' })
        expect((await store.get(b.id))!).toMatchObject({ status: 'quarantined', note: 'no' })
        expect((await store.stats()).byStatus).toEqual({
          pending: 0,
          leased: 0,
          sending: 0,
          in_doubt: 1,
          quarantined: 1,
        })
      })

      it('hands out what is in doubt or quarantined by id only', async () => {
        const record = makeRecord()
        await store.add([record], { status: 'quarantined', note: 'imported' })
        expect((await store.claim(HELD)).items).toEqual([])
        expect((await claimOne({ ids: [record.id] })).id).toBe(record.id)
      })

      it('puts what a person had claimed back where it was when nothing was sent', async () => {
        const [lapsed, given] = [makeRecord(), makeRecord()]
        await store.add([lapsed, given], { status: 'quarantined', note: 'imported' })
        const claim = await claimOne({ ids: [given.id] })
        await store.settle(claim.id, claim.fence, { outcome: 'later', delayMs: 0 })
        await claimOne({ ids: [lapsed.id] })
        await current.advance(SHORT * 2)
        expect((await store.claim(HELD)).items).toEqual([])
        expect((await store.stats()).byStatus).toMatchObject({ pending: 0, quarantined: 2 })
        const transfer = await store.claim({ limit: 10, leaseMs: SHORT, purpose: 'transfer' })
        expect(transfer.items).toHaveLength(2)
        await current.advance(SHORT * 2)
        expect((await store.claim(HELD)).items).toEqual([])
      })

      it('remembers the newest 20 replays', async () => {
        await store.add([makeRecord()])
        for (let i = 0; i < 23; i++) {
          const claim = await claimOne()
          const outcome = {
            outcome: 'failed',
            replay: replay({ statusCode: 500 + i }),
            delayMs: 0,
            maxReplays: 99,
          } as const
          await store.settle(claim.id, claim.fence, outcome)
        }
        const { replays, replayCount } = await claimOne()
        expect(replayCount).toBe(23)
        expect(replays.map((one) => one.statusCode)).toEqual(Array.from({ length: 20 }, (_, i) => 503 + i))
      })
    })

    describe('requeue and discard', () => {
      it('brings back what a person decided on, with its replays counted anew', async () => {
        const record = makeRecord()
        await store.add([record], { status: 'quarantined' })
        expect(await store.requeue([record.id, 'nobody'])).toBe(1)
        expect(await store.requeue([record.id])).toBe(0)
        expect(await claimOne()).toMatchObject({ id: record.id, replayCount: 0 })
      })

      it('does not discard what is being sent', async () => {
        await store.add([makeRecord()])
        const claim = await claimOne({ leaseMs: 60_000 })
        await store.renew(claim.id, claim.fence, 60_000)
        expect(await store.discard([claim.id])).toBe(0)
        expect(await store.settle(claim.id, claim.fence, { outcome: 'later', delayMs: 0 })).toBe('again')
        expect(await store.discard([claim.id, 'nobody'])).toBe(1)
      })

      it('tells a replayer that its entry was discarded before it sends', async () => {
        await store.add([makeRecord()])
        const claim = await claimOne({ leaseMs: 60_000 })
        expect(await store.discard([claim.id])).toBe(1)
        expect(await store.renew(claim.id, claim.fence, 1000)).toBe(false)
        expect(await store.settle(claim.id, claim.fence, { outcome: 'done', replay: replay() })).toBe('gone')
      })
    })

    describe('retention', () => {
      async function evictions(work: () => Promise<void>): Promise<string[]> {
        const ids: string[] = []
        const listener = (event: DeadLetterDroppedEvent): void => {
          expect(event).toMatchObject({ reason: 'evicted', integration: 'hubspot' })
          ids.push(event.id)
        }
        channels.deadLetterDropped.subscribe(listener)
        try {
          await work()
        } finally {
          channels.deadLetterDropped.unsubscribe(listener)
        }
        return ids
      }

      it('evicts the oldest beyond the count, with an event each', async () => {
        store = await start({ maxRecords: 3 })
        const records = Array.from({ length: 5 }, () => makeRecord())
        const dropped = await evictions(async () => {
          for (const record of records) await store.add([record])
        })
        expect(dropped).toEqual([records[0]!.id, records[1]!.id])
        expect((await store.list()).items).toHaveLength(3)
        expect((await store.stats()).counters).toMatchObject({ captured: 5, evicted: 2 })
      })

      it('evicts by bytes, and refuses what is larger than everything', async () => {
        store = await start({ maxBytes: 20_000 })
        const big = (): ReturnType<typeof makeRecord> =>
          makeRecord({ request: { body: new Uint8Array(8000) } })
        const [a, b, c] = [big(), big(), big()]
        await store.add([a])
        await store.add([b])
        expect((await store.add([c])).evicted).toEqual([a.id])
        expect((await store.stats()).bytes).toBeLessThanOrEqual(20_000)
        const huge = makeRecord({ request: { body: new Uint8Array(30_000) } })
        expect(await store.add([huge])).toMatchObject({ kept: [], refused: [huge.id], evicted: [] })
      })

      it('counts bytes, not characters', async () => {
        store = await start({ maxBytes: 2_000 })
        const wide = makeRecord({ labels: { title: '名'.repeat(600) } })
        expect(await store.add([wide])).toMatchObject({ kept: [], refused: [wide.id] })
        const narrow = makeRecord({ labels: { title: 'n'.repeat(600) } })
        expect((await store.add([narrow])).kept).toEqual([narrow.id])
      })

      it('says of nothing that it is kept which made room in the same batch', async () => {
        store = await start({ maxRecords: 2 })
        const now = Date.now()
        const [oldest, second, newest] = [0, 1, 2].map((ms) => makeRecord({ timestamp: now + ms }))
        await store.add([oldest!, second!])
        const { kept } = await store.add([newest!, oldest!])
        const there = (await store.list()).items.map(({ id }) => id)
        expect(kept.filter((id) => !there.includes(id))).toEqual([])
        expect(there).toHaveLength(2)
      })

      it('evicts by age', async () => {
        store = await start({ maxAgeMs: 60_000 })
        const old = makeRecord({ timestamp: Date.now() - 120_000 })
        const young = makeRecord()
        await store.add([old])
        const dropped = await evictions(async () => {
          await store.add([young])
        })
        expect(dropped).toEqual([old.id])
        expect((await store.list()).items.map((item) => item.id)).toEqual([young.id])
      })

      it('never evicts what a replayer holds', async () => {
        store = await start({ maxRecords: 2 })
        const [a, b, c, d] = [makeRecord(), makeRecord(), makeRecord(), makeRecord()]
        await store.add([a, b])
        const claims = [await claimOne({ leaseMs: 60_000 }), await claimOne({ leaseMs: 60_000 })]
        expect(await store.add([c])).toMatchObject({ kept: [], refused: [c.id] })
        await store.settle(claims[1]!.id, claims[1]!.fence, { outcome: 'later', delayMs: 0 })
        expect((await store.add([d])).evicted).toEqual([claims[1]!.id])
        expect(await store.renew(claims[0]!.id, claims[0]!.fence, 1000)).toBe(true)
      })
    })

    if (keptAs === 'bytes') {
      it('reports an unreadable entry, quarantines it, and goes on with the others', async () => {
        const [a, bad, c] = [makeRecord(), makeRecord(), makeRecord()]
        await store.add([a, bad, c])
        await current.damage!(bad.id)
        await expect(store.get(bad.id)).rejects.toMatchObject({ name: 'DeadLetterFormatError', id: bad.id })
        const page = await store.list()
        expect(page.items.map((item) => item.id)).toEqual([c.id, a.id])
        expect(page.corrupt).toMatchObject([{ id: bad.id }])
        const claim = await store.claim(HELD)
        expect(claim.items.map((item) => item.id)).toEqual([a.id, c.id])
        expect(claim.corrupt).toMatchObject([{ id: bad.id }])
        expect((await store.claim(HELD)).corrupt).toEqual([])
        expect((await store.claim({ ...HELD, purpose: 'transfer' })).corrupt).toEqual([])
        expect((await store.stats()).byStatus.quarantined).toBe(1)
        expect(await store.requeue([bad.id])).toBe(0)
        expect(await store.discard([bad.id])).toBe(1)
      })
    }

    it('refuses every call after close', async () => {
      await store.close()
      await expect(store.add([makeRecord()])).rejects.toThrow('closed')
      await expect(store.list()).rejects.toThrow('closed')
    })

    it('refuses bad claims by naming option, bound and value', async () => {
      await expect(store.claim({ limit: 0, leaseMs: 1 })).rejects.toThrow('`limit` must be an integer >= 1')
      await expect(store.claim({ limit: 1, leaseMs: 0 })).rejects.toThrow('`leaseMs` must be an integer >= 1')
      await expect(store.claim({ limit: 1, leaseMs: 1, purpose: 'x' as never })).rejects.toThrow('`purpose`')
    })
  })
}

function idOf(record: { id: string }): string {
  return record.id
}

function withoutBodies(record: ReturnType<typeof makeRecord>): object {
  const { request: _request, sealed: _sealed, labels, response: _response, ...rest } = record
  return { ...rest, labels: { ...labels } }
}
