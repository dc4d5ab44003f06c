import { DeadLetterFormatError } from '../../dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../dead-letter/record/record.ts'
import type { DeadLetterStore } from '../../dead-letter/store/store.ts'
import { expect } from './expect.ts'
import { makeRecord } from './records.ts'
import { patient, type TestRunner } from './runner.ts'

/** What every store that keeps bytes must be able to live with: in one entry, made by whoever can write there. */
export type DamageKind =
  | 'a record that ends in its middle'
  | 'a record without a field'
  | 'a record of another id'
  | 'a body that ends in its middle'
  | 'replays that are no list'
  | 'a status that is no word of ours'
  | 'a due time beyond 2^53'
  | 'an end of its lease beyond 2^53'
  | 'a count of replays beyond 2^53'

/** A store to be damaged. */
export interface DamageableStore {
  readonly store: DeadLetterStore
  /** Lets the store's clock pass, in milliseconds. */
  advance(ms: number): Promise<void>
  dispose(): Promise<void>
}

/** Ways to damage a store; each is a name, and what does it. */
export interface Damages<Store> {
  /** To one entry: it is quarantined, or listed as corrupt, alone. */
  readonly ofOne: Readonly<Record<string, (store: Store, id: string) => Promise<void>>>
  /** Gives one entry another size, in bytes. */
  readonly ofSize?: (store: Store, id: string, bytes: number) => Promise<void>
  /** To what is beside the entries: nothing of them is lost by it. */
  readonly ofAll?: Readonly<
    Record<string, (store: Store, added: readonly DeadLetterRecord[]) => Promise<void>>
  >
}

const SHORT = 25
const LONG = 60_000
const ages = ['that is pending', 'whose lease lapsed', 'whose replayer was lost while sending'] as const

/**
 * Whatever is in a store, one damaged entry never stops the others.
 * @param name of the store, in the names of the tests
 * @param make makes an empty store for each test
 * @param damages what is done to it: `everyKind` names what every store of bytes must be able to live with
 */
export function damagedStatesContract<Store extends DamageableStore>(
  runner: TestRunner,
  name: string,
  make: () => Promise<Store>,
  { ofOne, ofSize, ofAll = {} }: Damages<Store>,
): void {
  const { describe, it, beforeEach, afterEach } = patient(runner)
  describe(`damaged states: ${name}`, () => {
    let current: Store
    let store: DeadLetterStore
    let records: DeadLetterRecord[]
    beforeEach(async () => {
      current = await make()
      store = current.store
      const begin = Date.now() - 10_000
      records = Array.from({ length: 3 }, (_, n) =>
        makeRecord({ timestamp: begin + n, orderingKey: `o${n}` }),
      )
      await store.add(records)
    })
    afterEach(() => current.dispose())

    for (const [what, damage] of Object.entries(ofOne)) {
      for (const age of ages) {
        it(`${what}, in an entry ${age}, holds up nothing but itself`, async () => {
          const [before, bad, after] = records as [DeadLetterRecord, DeadLetterRecord, DeadLetterRecord]
          if (age !== 'that is pending') {
            const { items } = await store.claim({ limit: 1, leaseMs: SHORT, ids: [bad.id] })
            if (age !== 'whose lease lapsed') await store.renew(bad.id, items[0]!.fence, SHORT)
          }
          await damage(current, bad.id)
          await current.advance(SHORT + 5)

          // claimed: the others, each once, and never the damaged one, not in any round
          const fences = new Map<string, number>()
          const told: string[] = []
          for (let round = 0; round < 4; round++) {
            const { items, corrupt } = await store.claim({ limit: 2, leaseMs: LONG, maxReplays: 9 })
            for (const { id, fence } of items) {
              expect(fences.has(id)).toBe(false)
              fences.set(id, fence)
            }
            told.push(...corrupt.map(({ id }) => id))
          }
          expect([...fences.keys()].sort()).toEqual([before.id, after.id].sort())
          expect(told.every((id) => id === bad.id)).toBe(true)
          expect(told.length).toBeLessThan(3)

          // listed, page by page: all three, each once; the damaged one as what it is
          const { readable, corrupt } = await listed(store)
          expect([...readable.keys(), ...corrupt].sort()).toEqual(records.map(({ id }) => id).sort())
          for (const { id } of [before, after]) expect([...readable.keys()]).toContain(id)
          if (!corrupt.includes(bad.id)) expect(readable.get(bad.id)).toBe('quarantined')
          await store.get(bad.id).catch((error: unknown) => {
            expect(error instanceof DeadLetterFormatError).toBe(true)
          })

          await expectCounts(store, 3)
          expect((await store.stats()).due).toBe(0)

          // settled, and whatever a person does with it
          for (const [id, fence] of fences) {
            expect(await store.renew(id, fence, LONG)).toBe(true)
            expect(
              await store.settle(id, fence, { outcome: 'done', replay: { at: 1, outcome: 'done' } }),
            ).toBe('done')
          }
          await expectCounts(store, 1)
          expect(await store.requeue([])).toBe(0)
          await store.requeue([bad.id])
          expect(await store.add([bad])).toMatchObject({ duplicates: 1, kept: [bad.id] })
          const late = makeRecord({ orderingKey: 'o1' })
          await store.add([late])
          await store.claim({ limit: 10, leaseMs: SHORT, purpose: 'transfer' })
          await current.advance(SHORT + 5)
          expect(await store.discard([bad.id])).toBe(1)
          expect(await store.get(bad.id)).toBeUndefined()
          await expectCounts(store, 1)
          // what waited for it, by its ordering key, goes on
          const { items } = await store.claim({ limit: 10, leaseMs: LONG })
          expect(items.map(({ id }) => id)).toEqual([late.id])
          await store.discard([late.id])
          await expectCounts(store, 0)
          expect((await store.stats()).bytes).toBe(0)
        })
      }
    }

    for (const bytes of ofSize === undefined ? [] : [1_000_000, 2 ** 40]) {
      it(`a size of ${bytes} bytes that one entry has not is forgotten with it: the bound of bytes holds for the others`, async () => {
        const full = (await store.stats()).bytes
        const [, bad] = records as [DeadLetterRecord, DeadLetterRecord]
        await ofSize!(current, bad.id, bytes)
        expect(await store.discard([bad.id])).toBe(1)
        // whoever looks next
        await store.claim({ limit: 1, leaseMs: LONG, ids: ['nobody'] })
        expect((await store.stats()).bytes).toBe((full / 3) * 2)
        const late = makeRecord({ orderingKey: 'o1' })
        await store.add([late])
        expect((await store.stats()).bytes).toBe(full)
      })
    }

    for (const [what, damage] of Object.entries(ofAll)) {
      it(`${what} loses no entry and stops nothing`, async () => {
        const [first, second] = records as [DeadLetterRecord, DeadLetterRecord]
        const claimed = await store.claim({ limit: 1, leaseMs: LONG, ids: [first.id] })
        await damage(current, records)
        const late = makeRecord()
        expect((await store.add([late])).kept).toEqual([late.id])
        expect(
          await store.settle(first.id, claimed.items[0]!.fence, { outcome: 'later', delayMs: LONG }),
        ).toBe('again')
        await expectCounts(store, 4)
        expect((await store.stats()).due).toBe(3)
        const { items } = await store.claim({ limit: 10, leaseMs: LONG })
        expect(items.map(({ id }) => id)).toEqual([second.id, records[2]!.id, late.id])
        for (const { fence } of items) expect(fence).toBeGreaterThan(claimed.items[0]!.fence)
        for (const { id, fence } of items) {
          expect(await store.renew(id, fence, LONG)).toBe(true)
          expect(await store.settle(id, fence, { outcome: 'done', replay: { at: 1, outcome: 'done' } })).toBe(
            'done',
          )
        }
        expect([...(await listed(store)).readable.keys()]).toEqual([first.id])
        expect(await store.discard([first.id])).toBe(1)
        await expectCounts(store, 0)
        expect((await store.stats()).bytes).toBe(0)
      })
    }
  })
}

async function listed(store: DeadLetterStore): Promise<{ readable: Map<string, string>; corrupt: string[] }> {
  const readable = new Map<string, string>()
  const corrupt: string[] = []
  let cursor: string | undefined
  let pages = 0
  do {
    const page = await store.list({ limit: 1, cursor })
    for (const { id, status } of page.items) readable.set(id, status)
    corrupt.push(...(page.corrupt ?? []).map(({ id }) => id))
    cursor = page.cursor
    expect(++pages).toBeLessThan(10)
  } while (cursor !== undefined)
  return { readable, corrupt }
}

/** What is counted by status, counted in all and listed is the same. */
async function expectCounts(store: DeadLetterStore, total: number): Promise<void> {
  const stats = await store.stats()
  expect(stats.total).toBe(total)
  expect(Object.values(stats.byStatus).reduce((sum, n) => sum + n, 0)).toBe(total)
  const { readable, corrupt } = await listed(store)
  expect(readable.size + corrupt.length).toBe(total)
}

/** A table with a damage of every kind that a store of bytes must know. */
export function everyKind<Store>(
  damages: Readonly<Record<DamageKind, (store: Store, id: string) => Promise<void>>> &
    Readonly<Record<string, (store: Store, id: string) => Promise<void>>>,
): Damages<Store & DamageableStore>['ofOne'] {
  return damages
}
