import type { DeadLetterStore } from '../../../dead-letter/store/store.ts'
import { expect } from '../expect.ts'
import { makeRecord } from '../records.ts'
import { type Scene } from './scene.ts'

export function listing(scene: Scene): void {
  const { describe, it } = scene.runner
  describe('listing', () => {
    it('pages newest first, without bodies, and inserts neither repeat nor skip an entry', async () => {
      const at = Date.now()
      const records = Array.from({ length: 25 }, (_, i) => makeRecord({ timestamp: at + Math.floor(i / 5) }))
      await scene.store.add(records)
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await scene.store.list({ limit: 4, cursor })
        seen.push(...page.items.map((item) => item.id))
        for (const item of page.items) expect(item.request.body).toBeUndefined()
        cursor = page.cursor
        await scene.store.add([makeRecord({ timestamp: at + 100 })])
      } while (cursor !== undefined)
      expect(seen).toEqual(records.map((record) => record.id).reverse())
    })

    it('filters by name, origin, reason, status, code, label and time, alone and together', async () => {
      const at = Date.now()
      const a = makeRecord({
        timestamp: at,
        integration: 'calendly',
        labels: { tenant: 't1', tier: 'gold' },
      })
      const b = makeRecord({
        timestamp: at + 10,
        reason: 'circuit-open',
        request: { url: 'https://other.example/x' },
      })
      const c = makeRecord({
        timestamp: at + 20,
        response: undefined,
        error: { name: 'Error', message: 'reset', code: 'ECONNRESET' },
        labels: { tenant: 't2' },
      })
      await scene.store.add([a, b], {})
      await scene.store.add([c], { status: 'quarantined' })
      const ids = async (query: Parameters<DeadLetterStore['list']>[0]): Promise<string[]> =>
        (await scene.store.list(query)).items.map((item) => item.id)
      expect(await ids({ integration: 'calendly' })).toEqual([a.id])
      expect(await ids({ origin: 'https://other.example' })).toEqual([b.id])
      expect(await ids({ reason: 'circuit-open' })).toEqual([b.id])
      expect(await ids({ status: 'quarantined' })).toEqual([c.id])
      expect(await ids({ code: 'ECONNRESET' })).toEqual([c.id])
      expect(await ids({ code: '503' })).toEqual([b.id, a.id])
      expect(await ids({ label: 'tenant' })).toEqual([c.id, a.id])
      expect(await ids({ label: 'tenant=t1' })).toEqual([a.id])
      expect(await ids({ label: '__proto__' })).toEqual([])
      expect(await ids({ label: '!tenant' })).toEqual([b.id])
      expect(await ids({ label: '!tier' })).toEqual([c.id, b.id])
      expect(await ids({ from: at + 10 })).toEqual([c.id, b.id])
      expect(await ids({ to: at + 10 })).toEqual([a.id])
      expect(await ids({ from: at + 10, to: at + 20, origin: 'https://other.example' })).toEqual([b.id])
      expect(await ids({ integration: 'calendly', reason: 'circuit-open' })).toEqual([])
    })

    it('finds the few that match among many, page by page', async () => {
      const at = Date.now()
      await scene.store.add(
        Array.from({ length: 500 }, (_, i) =>
          makeRecord({ timestamp: at + i, integration: i % 100 === 0 ? 'rare' : 'common' }),
        ),
      )
      const first = await scene.store.list({ integration: 'rare', limit: 3 })
      expect(first.items.map((item) => item.timestamp - at)).toEqual([400, 300, 200])
      const second = await scene.store.list({ integration: 'rare', limit: 3, cursor: first.cursor })
      expect(second.items.map((item) => item.timestamp - at)).toEqual([100, 0])
      expect(second.cursor).toBeUndefined()
    })

    it('refuses a query that it does not understand', async () => {
      await expect(scene.store.list({ nam: 'x' } as never)).rejects.toThrow('`nam`')
      await expect(scene.store.list({ limit: 0 })).rejects.toThrow(
        '`query.limit` must be an integer >= 1 and <= 1000, got 0',
      )
      await expect(scene.store.list({ cursor: '!!' })).rejects.toThrow('`query.cursor`')
      await expect(scene.store.list({ status: 'open' as never })).rejects.toThrow('`query.status`')
    })
  })
}
