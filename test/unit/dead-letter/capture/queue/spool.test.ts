import { describe, expect, it } from 'vitest'
import { spoolOf } from '../../../../../src/dead-letter/capture/queue/spool.ts'
import { localDeadLetters } from '../../../../../src/dead-letter/local/local-dead-letters.ts'
import { recordOf } from '../../../../../src/dead-letter/record/record.ts'
import { Seal } from '../../../../../src/dead-letter/record/sealing.ts'
import { sqliteStore } from '../../../../../src/stores/sqlite/sqlite-store.ts'
import { makeRecord } from '../../../../../src/testing/contracts/records.ts'

const places = {
  memory: () => localDeadLetters(),
  SQLite: () => sqliteStore(':memory:').deadLetters,
}

describe.each(Object.entries(places))('a spool in %s', (_kind, make) => {
  it('gives each destination what is its own, as it was', async () => {
    const both = make()
    const store = spoolOf(both, undefined)
    const [queue, other] = [spoolOf(both, 'queue'), spoolOf(both, 'other')]
    const records = [
      makeRecord({ labels: { tenant: 't' } }),
      makeRecord({ replayable: false, notReplayableReason: 'body-too-large' }),
    ]
    const ids = records.map(({ id }) => id)
    for (const one of [store, queue, other]) expect((await one.add(records)).kept).toEqual(ids)
    for (const one of [store, queue]) {
      const { items } = await one.claim(10, 1000)
      const given = items.map((item) => ({ ...makeRecord(), ...recordOf(item) }))
      expect(
        given.map(({ id, labels, replayable, notReplayableReason }) => [
          id,
          labels,
          replayable,
          notReplayableReason,
        ]),
      ).toEqual([
        [ids[0], { tenant: 't' }, true, undefined],
        [ids[1], undefined, false, 'body-too-large'],
      ])
      expect(await one.discard(ids)).toBe(2)
    }
    expect((await both.stats()).total).toBe(2)
    await both.close()
  })

  it('knows a record again that has left it for the same destination, and for no other', async () => {
    const both = make()
    const queue = spoolOf(both, 'queue')
    const record = makeRecord()
    await queue.add([record])
    expect((await queue.add([record])).kept).toEqual([record.id])
    await queue.discard([record.id])
    expect((await queue.add([record])).settled).toEqual([record.id])
    expect((await spoolOf(both, 'other').add([record])).kept).toEqual([record.id])
    await both.close()
  })

  it('gives back what the destination did not take', async () => {
    const both = make()
    const queue = spoolOf(both, 'queue')
    await queue.add([makeRecord()])
    const { items } = await queue.claim(1, 60_000)
    expect(await queue.claim(1, 60_000)).toEqual({ items: [], corrupt: [] })
    await queue.settle(items[0]!.id, items[0]!.fence, { outcome: 'later', delayMs: 0 })
    expect((await queue.claim(1, 60_000)).items).toHaveLength(1)
    await both.close()
  })

  it('never has the copy of a sink replayed, not even by a person', async () => {
    const both = make()
    await spoolOf(both, 'queue').add([makeRecord()])
    const [copy] = (await both.list()).items
    expect(copy).toMatchObject({ status: 'quarantined', note: 'not replayable: copy-for-sink' })
    expect(await both.requeue([copy!.id])).toBe(0)
    expect((await both.claim({ limit: 1, leaseMs: 1000, ids: [copy!.id] })).items).toEqual([])
    await both.close()
  })

  it('keeps a seal whole, which is bound to id and labels', async () => {
    const both = make()
    const seal = new Seal({ current: 'k', keys: { k: Buffer.alloc(32, 1) } })
    const record = makeRecord({ labels: { tenant: 't' } })
    const body = Buffer.from('secret')
    const sealed = seal.close(record, { url: record.request.url, headers: {}, body })
    const queue = spoolOf(both, 'queue')
    await queue.add([{ ...record, sealed }])
    const { items } = await queue.claim(1, 1000)
    expect(Buffer.from(seal.open(items[0]!).body!).toString()).toBe('secret')
    await both.close()
  })
})
