import type { DeadLetterStore } from '../../../dead-letter/store/store.ts'
import { expect } from '../expect.ts'
import { makeRecord, type RecordChanges } from '../records.ts'
import { patient, type TestRunner } from '../runner.ts'
import type { DeadLetterStoreFixture } from './scene.ts'

const HELD = { limit: 100, leaseMs: 60_000 }

type StoreWithDue = Pick<DeadLetterStoreFixture, 'store' | 'dispose'>

/** When an entry is due, and that `stats().due` is what a claim would hand out, neither more nor less. */
export function deadLetterDueContract(
  runner: TestRunner,
  name: string,
  make: () => Promise<StoreWithDue>,
): void {
  const { describe, it, beforeEach, afterEach } = patient(runner)
  describe(`what is due: ${name}`, () => {
    let current: StoreWithDue
    let store: DeadLetterStore
    beforeEach(async () => {
      current = await make()
      store = current.store
    })
    afterEach(() => current.dispose())

    const begin = Date.now() - 60_000
    /** Records in the order of their ids, of one ordering key where nothing else is said. */
    const line = (length: number, changes: RecordChanges = {}): ReturnType<typeof makeRecord>[] =>
      Array.from({ length }, (_, n) => makeRecord({ timestamp: begin + n, orderingKey: 'order', ...changes }))

    /** What a claim hands out, which is what was counted before. */
    async function claimed(): Promise<string[]> {
      const { due } = await store.stats()
      const { items } = await store.claim(HELD)
      expect(items).toHaveLength(due)
      expect((await store.stats()).due).toBe(0)
      for (const { id, fence } of items) {
        await store.renew(id, fence, 60_000)
        await store.settle(id, fence, { outcome: 'done', replay: { at: 1, outcome: 'done' } })
      }
      return items.map(({ id }) => id)
    }

    it('is of an ordering key the first alone', async () => {
      const records = [...line(3), ...line(2, { orderingKey: 'other' }), makeRecord({ timestamp: begin })]
      await store.add(records)
      const [a, b, c, x, y, free] = records.map(({ id }) => id)
      expect((await claimed()).sort()).toEqual([a, x, free].sort())
      expect((await claimed()).sort()).toEqual([b, y].sort())
      expect(await claimed()).toEqual([c])
      expect(await claimed()).toEqual([])
    })

    it('is not what comes behind one that waits, is held or is quarantined', async () => {
      const later = line(1, { orderingKey: 'waits', notBefore: Date.now() + 3_600_000 })
      const cut = line(1, { orderingKey: 'cut', replayable: false, notReplayableReason: 'body-too-large' })
      await store.add([
        ...later,
        ...cut,
        ...line(1),
        ...line(1, { orderingKey: 'waits' }),
        ...line(1, { orderingKey: 'cut' }),
      ])
      expect((await store.stats()).due).toBe(1)
      const { items } = await store.claim({ limit: 1, leaseMs: 60_000 })
      expect(items).toHaveLength(1)
      await store.add(line(1))
      expect((await store.stats()).due).toBe(0)
      expect((await store.claim(HELD)).items).toEqual([])
    })

    it('is the first of all when several of one ordering key come late, at once or one by one', async () => {
      const [a, b, c, d] = line(4) as [Rec, Rec, Rec, Rec]
      await store.add([d])
      // a spool that is drained late
      await store.add([b, a])
      await store.add([c])
      expect(await claimed()).toEqual([a.id])
      expect(await claimed()).toEqual([b.id])
      expect(await claimed()).toEqual([c.id])
      expect(await claimed()).toEqual([d.id])
    })

    it('does not wait for a clock that was ahead at the capture', async () => {
      const ahead = Date.now() + 3_600_000
      await store.add([makeRecord({ timestamp: ahead }), makeRecord({ timestamp: ahead, orderingKey: 'x' })])
      expect(await claimed()).toHaveLength(2)
    })

    it('waits as long as the provider asked for, whatever the clock said then', async () => {
      const ahead = Date.now() + 3_600_000
      const record = makeRecord({ timestamp: ahead, notBefore: ahead + 60_000 })
      await store.add([record])
      expect(await claimed()).toEqual([])
      const { dueAt } = (await store.get(record.id))!
      expect(dueAt).toBeGreaterThan(Date.now() + 30_000)
      expect(dueAt).toBeLessThanOrEqual(Date.now() + 60_000)
    })

    it('is not before its time when it comes late, out of a spool', async () => {
      const soon = Date.now() + 5_000
      const record = makeRecord({ timestamp: Date.now() - 600_000, notBefore: soon })
      await store.add([record])
      expect((await store.get(record.id))!.dueAt).toBe(soon)
    })
  })
}

type Rec = ReturnType<typeof makeRecord>
