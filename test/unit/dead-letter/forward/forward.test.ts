import { describe, expect, it } from 'vitest'
import { forwardDeadLetters, startForwarder } from '../../../../src/dead-letter/forward/forward.ts'
import { localDeadLetters } from '../../../../src/dead-letter/local/local-dead-letters.ts'
import { decodeDeadLetter, encodeDeadLetter } from '../../../../src/dead-letter/message/message.ts'
import type { DeadLetter, DeadLetterRecord } from '../../../../src/dead-letter/record/record.ts'
import type { DeadLetterSink } from '../../../../src/dead-letter/store/sink.ts'
import type { DeadLetterStore } from '../../../../src/dead-letter/store/store.ts'
import { sqliteStore } from '../../../../src/stores/sqlite/sqlite-store.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'
import { quiet } from '../../../support/dead-letters/capture-queue.ts'

/** What a busy machine needs. */
const SOON = { timeout: 20_000 }

type Sink = DeadLetterSink & {
  taken: DeadLetterRecord[]
  fails: Error | undefined
  onAdd: () => Promise<void>
}

function sinkOf(): Sink {
  const sink: Sink = {
    taken: [],
    fails: undefined,
    onAdd: () => Promise.resolve(),
    async add(records) {
      await sink.onAdd()
      if (sink.fails !== undefined) throw sink.fails
      sink.taken.push(...records)
      return { kept: records.map(({ id }) => id), duplicates: 0, settled: [], evicted: [], refused: [] }
    },
    close: () => Promise.resolve(),
  }
  return sink
}

async function storeWith(records: readonly DeadLetterRecord[]): Promise<DeadLetterStore> {
  const store = localDeadLetters({ maxRecords: 10_000 })
  await store.add(records)
  return store
}

const some = (count: number): DeadLetterRecord[] =>
  Array.from({ length: count }, (_, at) => makeRecord({ timestamp: 1000 + at }))
const idsOf = (records: readonly DeadLetterRecord[]): string[] => records.map(({ id }) => id)

describe('forwarding', () => {
  it('moves what is pending into the sink, oldest first, and leaves nothing of it in the store', async () => {
    const records = some(700)
    const store = await storeWith(records)
    const sink = sinkOf()
    expect(await forwardDeadLetters(store, sink)).toEqual({ forwarded: 700, refused: [], isEmpty: true })
    expect(idsOf(sink.taken)).toEqual(idsOf(records))
    expect((await store.stats()).total).toBe(0)
  })

  it('leaves what is in doubt or in quarantine to a person, unless the filter asks for it', async () => {
    const [quarantined, pending] = some(2) as [DeadLetterRecord, DeadLetterRecord]
    const store = localDeadLetters()
    await store.add([quarantined], { status: 'quarantined' })
    await store.add([pending])
    const sink = sinkOf()
    await forwardDeadLetters(store, sink)
    expect(idsOf(sink.taken)).toEqual([pending.id])
    await forwardDeadLetters(store, sink, { filter: { status: 'quarantined' } })
    expect(idsOf(sink.taken)).toEqual([pending.id, quarantined.id])
  })

  it('takes a filter that says nothing of the status for one of what is pending', async () => {
    const store = localDeadLetters()
    await store.add(some(1), { status: 'quarantined' })
    for (const filter of [{ integration: makeRecord().integration }, { status: undefined }]) {
      const sink = sinkOf()
      expect(await forwardDeadLetters(store, sink, { filter })).toMatchObject({ forwarded: 0, isEmpty: true })
    }
    expect((await store.stats()).byStatus).toMatchObject({ quarantined: 1 })
  })

  it('hands over what is in doubt or in quarantine as that, with the note that says why', async () => {
    const store = await storeWith(some(1))
    const { items } = await store.claim({ limit: 1, leaseMs: 1000 })
    const [held] = items
    const replay = { at: 1, outcome: 'in-doubt' } as const
    await store.settle(held!.id, held!.fence, { outcome: 'in-doubt', replay, note: 'may have arrived' })
    await store.add(some(1), { status: 'quarantined', note: 'imported' })
    const sink = sinkOf()
    for (const status of ['in-doubt', 'quarantined'] as const) {
      await forwardDeadLetters(store, sink, { filter: { status } })
    }
    const said = (entries: readonly object[]): object[] =>
      (entries as DeadLetter[]).map(({ status, note }) => ({ status, note }))
    const expected = [
      { status: 'in-doubt', note: 'may have arrived' },
      { status: 'quarantined', note: 'imported' },
    ]
    expect(said(sink.taken)).toEqual(expected)
    expect(said(sink.taken.map((entry) => decodeDeadLetter(encodeDeadLetter(entry))))).toEqual(expected)
  })

  it('takes along what replays have said, and the time before which the provider wants no other', async () => {
    const store = await storeWith(some(1))
    const { items } = await store.claim({ limit: 1, leaseMs: 1000 })
    const replay = { at: 1, outcome: 'failed', statusCode: 429 } as const
    await store.settle(items[0]!.id, items[0]!.fence, { outcome: 'later', delayMs: 60_000, replay })
    const sink = sinkOf()
    await forwardDeadLetters(store, sink)
    const [taken] = sink.taken as DeadLetter[]
    expect(taken!.replays).toEqual([replay])
    expect(taken!.notBefore).toBeGreaterThan(Date.now() + 50_000)
  })

  it('leaves everything in the store while the sink is away, and says what it failed with', async () => {
    const store = await storeWith(some(30))
    const sink = sinkOf()
    sink.fails = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })
    const summary = await forwardDeadLetters(store, sink, { logger: quiet })
    expect(summary).toEqual({ forwarded: 0, refused: [], isEmpty: false, error: sink.fails })
    expect(await store.stats()).toMatchObject({ total: 30, byStatus: { pending: 30 } })
  })

  it('keeps the time before which the provider wants no replay, also where the sink has not taken it', async () => {
    const store = await storeWith(some(1))
    const { items } = await store.claim({ limit: 1, leaseMs: 1000 })
    await store.settle(items[0]!.id, items[0]!.fence, { outcome: 'later', delayMs: 3_600_000 })
    const { dueAt } = (await store.get(items[0]!.id))!
    const sink = sinkOf()
    sink.fails = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })
    await forwardDeadLetters(store, sink, { logger: quiet })
    expect(Math.abs((await store.get(items[0]!.id))!.dueAt - dueAt)).toBeLessThan(60_000)
  })

  it('is held up by no record that the sink refuses alone', async () => {
    const records = some(40)
    const store = await storeWith(records)
    const sink = sinkOf()
    const add = sink.add.bind(sink)
    const bad = records[3]!.id
    sink.add = (batch) =>
      batch.some(({ id }) => id === bad) ? Promise.reject(new Error('message too large')) : add(batch)
    const warnings: string[] = []
    const logger = { ...quiet, warn: (_context: object, message: string) => void warnings.push(message) }
    const { forwarded, refused } = await forwardDeadLetters(store, sink, { logger })
    expect([forwarded, refused]).toEqual([39, [bad]])
    expect((await store.stats()).total).toBe(1)
    expect(warnings).toEqual([
      expect.stringContaining(`refuses dead letter ${bad}: Error: message too large`),
    ])
  })

  describe.each(['fails for', 'has no room for'])('a sink that %s the oldest', (what) => {
    it.each([3, 10, 25])('(%i of them) gets all the others', async (count) => {
      const records = Array.from({ length: count + 100 }, (_, at) =>
        makeRecord({ timestamp: Date.now() - 1000 + at }),
      )
      const large = new Set(idsOf(records.slice(0, count)))
      for (const store of [localDeadLetters(), sqliteStore(':memory:').deadLetters]) {
        await store.add(records)
        const sink = sinkOf()
        const add = sink.add.bind(sink)
        sink.add = async (batch) => {
          const refused = idsOf(batch).filter((id) => large.has(id))
          if (refused.length > 0 && what === 'fails for') throw new Error('message too large')
          return { ...(await add(batch.filter(({ id }) => !large.has(id)))), refused }
        }
        // a good one that fails together with many bad ones may need another run
        for (let run = 0; run < 10 && (await store.stats()).total > count; run++) {
          await forwardDeadLetters(store, sink, { logger: quiet })
        }
        expect(new Set(idsOf(sink.taken))).toEqual(new Set(idsOf(records.slice(count))))
        expect((await store.stats()).byStatus).toMatchObject({ pending: count, leased: 0 })
        await store.close()
      }
    })
  })

  it('never moves more than `limit`, and nothing that somebody holds', async () => {
    const records = some(30)
    const store = await storeWith(records)
    const { items } = await store.claim({ limit: 1, leaseMs: 60_000 })
    const sink = sinkOf()
    expect((await forwardDeadLetters(store, sink, { limit: 12 })).forwarded).toBe(12)
    expect((await forwardDeadLetters(store, sink)).forwarded).toBe(17)
    expect(idsOf(sink.taken)).not.toContain(items[0]!.id)
  })

  it('ends after the batch in hand when it is told to', async () => {
    const store = await storeWith(some(500))
    const sink = sinkOf()
    const ending = new AbortController()
    sink.onAdd = async () => ending.abort()
    const { forwarded } = await forwardDeadLetters(store, sink, { signal: ending.signal })
    expect(forwarded).toBe(10)
    expect((await store.stats()).byStatus).toMatchObject({ pending: 490, leased: 0 })
  })

  it('refuses what is no sink, and a store that would forward to itself', async () => {
    const store = localDeadLetters()
    await expect(forwardDeadLetters(store, {} as never)).rejects.toThrow('`sink` must be a DeadLetterSink')
    await expect(forwardDeadLetters(store, store)).rejects.toThrow('got the same')
    await expect(forwardDeadLetters(store, sinkOf(), { limit: 0 })).rejects.toThrow('`limit` must be')
    // looking for a bad record may take as long again, and the lease must not end before
    await expect(forwardDeadLetters(store, sinkOf(), { timeoutMs: 14_001 })).rejects.toThrow('14000')
  })
})

describe('a forwarder', () => {
  it('says once which records the sink refuses, leaves them in peace, and brings on what comes', async () => {
    const records = some(25)
    const store = await storeWith(records)
    const bad = new Set(idsOf(records.slice(0, 12)))
    const sink = sinkOf()
    const add = sink.add.bind(sink)
    let triesOfBad = 0
    sink.add = (batch) => {
      if (!batch.some(({ id }) => bad.has(id))) return add(batch)
      triesOfBad++
      return Promise.reject(new Error('message too large'))
    }
    const warnings: string[] = []
    const logger = { ...quiet, warn: (_context: object, message: string) => void warnings.push(message) }
    const forwarder = startForwarder(store, sink, { intervalMs: 60_000, logger })
    const refusals = (): string[] => warnings.filter((text) => text.includes('refuses dead letter'))
    // what fails together is tried together with others, and so judged alone
    for (let run = 0; run < 10 && refusals().length < 12; run++) {
      const late = makeRecord()
      await store.add([late])
      records.push(late)
      await forwarder.run()
    }
    expect(refusals()).toHaveLength(12)
    expect(new Set(idsOf(sink.taken))).toEqual(new Set(idsOf(records.filter(({ id }) => !bad.has(id)))))
    const tries = triesOfBad
    await store.add([makeRecord()])
    const { forwarded, refused, isEmpty } = await forwarder.run()
    expect([forwarded, isEmpty]).toEqual([1, true])
    expect(new Set(refused)).toEqual(bad)
    expect(triesOfBad).toBe(tries)
    expect(refusals()).toHaveLength(12)
    await forwarder.close()
  })

  it('brings on what comes, and goes on after the sink was away, until it is closed', async () => {
    const records = some(20)
    const store = await storeWith(records)
    const sink = sinkOf()
    sink.fails = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })
    const forwarder = startForwarder(store, sink, { intervalMs: 5, logger: quiet })
    await expect.poll(() => forwarder.lastRun?.error, SOON).toBe(sink.fails)
    sink.fails = undefined
    await expect.poll(() => sink.taken.length, SOON).toBe(20)
    await forwarder.close()
    await store.add(some(1))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(sink.taken.length).toBe(20)
  })

  it('tells of a store that fails, and goes on', async () => {
    const store = await storeWith(some(1))
    const sink = sinkOf()
    const claim = store.claim.bind(store)
    let failures = 0
    store.claim = (options) =>
      failures++ < 2 ? Promise.reject(new Error('the store is away')) : claim(options)
    const told: string[] = []
    const logger = { ...quiet, error: (_context: object, message: string) => void told.push(message) }
    const forwarder = startForwarder(store, sink, { intervalMs: 5, logger })
    await expect.poll(() => sink.taken.length, SOON).toBe(1)
    await forwarder.close()
    expect(told).toEqual(['`startForwarder` threw', '`startForwarder` threw'])
  })
})
