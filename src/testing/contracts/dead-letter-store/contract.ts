import type { RetentionOptions } from '../../../dead-letter/store/retention.ts'
import type { DeadLetterStore } from '../../../dead-letter/store/store.ts'
import { deadLetterSinkContract } from '../dead-letter-sink.ts'
import { expect } from '../expect.ts'
import { makeRecord } from '../records.ts'
import { patient, type TestRunner } from '../runner.ts'
import { claiming } from './claiming.ts'
import { deadLetterDueContract } from './due.ts'
import { keeping } from './keeping.ts'
import { listing } from './listing.ts'
import { outboxCalls } from './outbox-calls.ts'
import { retention } from './retention.ts'
import { type DeadLetterStoreFixture, HELD, Scene } from './scene.ts'
import { settling } from './settling.ts'

/** What the suite needs to know of a store. */
export interface DeadLetterStoreContractOptions {
  /** What is kept as objects of this process cannot become unreadable; what is kept as bytes needs `damage`. Default `'bytes'`. */
  readonly keptAs?: 'bytes' | 'objects' | undefined
  /**
   * How long the leases last that tests let lapse, in milliseconds: longer where a store in real time is slow, or the
   * machine busy. Default 25.
   */
  readonly leaseMs?: number | undefined
}

async function idsOf(store: DeadLetterStore): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | undefined
  do {
    const page = await store.list({ limit: 1_000, cursor })
    ids.push(...page.items.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== undefined)
  return ids
}

/**
 * What every `DeadLetterStore` must do, that of a sink (`deadLetterSinkContract`) included: some 70 tests.
 * @param name of the store, in the names of the tests
 * @param make makes an empty store for each test; it must keep 20,000 records where the retention says nothing
 * @example
 * deadLetterStoreContract({ afterEach, beforeEach, describe, it }, 'mine', async (retention) => {
 *   const store = await myStore({ maxRecords: 20_000, ...retention })
 *   return {
 *     store,
 *     advance: (ms) => setTimeout(ms),
 *     other: () => Promise.resolve(store),
 *     damage: (id) => sql`update letters set record = '{' where id = ${id}`,
 *     dispose: () => store.close(),
 *   }
 * })
 */
export function deadLetterStoreContract(
  runner: TestRunner,
  name: string,
  make: (retention: RetentionOptions) => Promise<DeadLetterStoreFixture>,
  { keptAs = 'bytes', leaseMs = 25 }: DeadLetterStoreContractOptions = {},
): void {
  // a store is a sink, too
  deadLetterSinkContract(runner, name, async () => {
    const made = await make({})
    return { sink: made.store, arrived: () => idsOf(made.store), dispose: () => made.dispose() }
  })

  deadLetterDueContract(runner, name, () => make({}))

  const scene = new Scene(patient(runner), make, leaseMs)
  const { describe, it, beforeEach, afterEach } = scene.runner
  describe(`dead-letter store contract: ${name}`, () => {
    beforeEach(() => scene.start())
    afterEach(() => scene.end())

    keeping(scene)
    listing(scene)
    claiming(scene)
    settling(scene)
    retention(scene)
    outboxCalls(scene)

    if (keptAs === 'bytes') {
      it('reports an unreadable entry, quarantines it, and goes on with the others', async () => {
        const [a, bad, c] = [makeRecord(), makeRecord(), makeRecord()]
        await scene.store.add([a, bad, c])
        await scene.fixture.damage!(bad.id)
        await expect(scene.store.get(bad.id)).rejects.toMatchObject({
          name: 'DeadLetterFormatError',
          id: bad.id,
        })
        const page = await scene.store.list()
        expect(page.items.map((item) => item.id)).toEqual([c.id, a.id])
        expect(page.corrupt).toMatchObject([{ id: bad.id }])
        const claim = await scene.store.claim(HELD)
        expect(claim.items.map((item) => item.id)).toEqual([a.id, c.id])
        expect(claim.corrupt).toMatchObject([{ id: bad.id }])
        expect((await scene.store.claim(HELD)).corrupt).toEqual([])
        expect((await scene.store.claim({ ...HELD, purpose: 'transfer' })).corrupt).toEqual([])
        expect((await scene.store.stats()).byStatus.quarantined).toBe(1)
        expect(await scene.store.requeue([bad.id])).toBe(0)
        expect(await scene.store.discard([bad.id])).toBe(1)
      })

      it('keeps a call of an outbox though it has become unreadable', async () => {
        await scene.start({ maxRecords: 2 })
        const [call, failed, next] = [makeRecord({ reason: 'outbox' }), makeRecord(), makeRecord()]
        await scene.store.add([call, failed])
        await scene.fixture.damage!(call.id)
        expect((await scene.store.claim({ ...HELD, ids: [call.id] })).corrupt).toMatchObject([
          { id: call.id },
        ])
        expect((await scene.store.add([next])).evicted).toEqual([failed.id])
        expect((await scene.store.list()).corrupt).toMatchObject([{ id: call.id }])
      })
    }

    it('refuses every call after close', async () => {
      await scene.store.close()
      await expect(scene.store.add([makeRecord()])).rejects.toThrow('closed')
      await expect(scene.store.list()).rejects.toThrow('closed')
    })

    it('refuses bad claims by naming option, bound and value', async () => {
      await expect(scene.store.claim({ limit: 0, leaseMs: 1 })).rejects.toThrow(
        '`limit` must be an integer >= 1',
      )
      await expect(scene.store.claim({ limit: 1, leaseMs: 0 })).rejects.toThrow(
        '`leaseMs` must be an integer >= 1',
      )
      await expect(scene.store.claim({ limit: 1, leaseMs: 1, purpose: 'x' as never })).rejects.toThrow(
        '`purpose`',
      )
    })
  })
}
