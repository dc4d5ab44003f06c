import { afterEach, describe, expect, it } from 'vitest'
import { localDeadLetters } from '../../../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../../../src/dead-letter/record/record.ts'
import type { DeadLetterSink } from '../../../../../src/dead-letter/store/sink.ts'
import { sqliteStore } from '../../../../../src/stores/sqlite/sqlite-store.ts'
import {
  channels,
  type DeadLetterDroppedEvent,
  type DeadLetterDurableEvent,
} from '../../../../../src/telemetry/channels.ts'
import { Reporter } from '../../../../../src/telemetry/reporter.ts'
import { makeRecord } from '../../../../../src/testing/contracts/records.ts'
import {
  closeQueues,
  picky,
  queueOn,
  quiet,
  total,
  unreliable,
} from '../../../../support/dead-letters/capture-queue.ts'

afterEach(closeQueues)

describe('the capture queue', () => {
  it('stores what is pushed in one batch, and tells when it is durable', async () => {
    const durable: DeadLetterDurableEvent[] = []
    const listener = (event: DeadLetterDurableEvent): number => durable.push(event)
    channels.deadLetterDurable.subscribe(listener)
    const store = unreliable()
    const queue = queueOn(store)
    const records = Array.from({ length: 1200 }, () => makeRecord())
    for (const record of records) queue.push(record)
    expect(await queue.flush(20_000)).toBe(true)
    channels.deadLetterDurable.unsubscribe(listener)
    expect(store.adds).toBe(1)
    expect(await total(store)).toBe(1200)
    expect(durable).toEqual(records.map(({ id }) => ({ id, where: 'store' })))
  })

  it('goes to the spool when the store fails, and drains it when the store is back', async () => {
    const store = unreliable()
    const spool = localDeadLetters({ maxRecords: 5000 })
    const queue = queueOn(store, { spool })
    store.mode = 'fail'
    const records = Array.from({ length: 700 }, (_, i) =>
      i % 10 === 0 ? makeRecord({ replayable: false, notReplayableReason: 'body-too-large' }) : makeRecord(),
    )
    for (const record of records) queue.push(record)
    expect(await queue.flush(20_000)).toBe(true)
    expect(await total(spool)).toBe(700)
    expect(await total(store)).toBe(0)
    store.mode = 'up'
    await expect
      .poll(
        async () => {
          queue.push(records[0]!)
          return total(spool)
        },
        { timeout: 20_000, interval: 50 },
      )
      .toBe(0)
    expect(await total(store)).toBe(700)
    expect((await store.stats()).byStatus.quarantined).toBe(70)
  })

  it('needs no more of a sink than `add`, and drains the spool into it', async () => {
    const inner = localDeadLetters()
    const sink: DeadLetterSink & { away: boolean } = {
      away: true,
      remote: true,
      add: (records) => (sink.away ? Promise.reject(new Error('connection refused')) : inner.add(records)),
      close: () => inner.close(),
    }
    const spool = localDeadLetters()
    const queue = queueOn(sink, { spool })
    queue.push(makeRecord())
    expect(await queue.flush(20_000)).toBe(true)
    expect(await total(spool)).toBe(1)
    sink.away = false
    await expect
      .poll(
        async () => {
          queue.push(makeRecord())
          return total(spool)
        },
        { timeout: 20_000, interval: 50 },
      )
      .toBe(0)
    expect(await total(inner)).toBeGreaterThan(1)
  })

  it('goes to the spool when the store does not answer in time', async () => {
    const store = unreliable()
    const spool = localDeadLetters()
    const queue = queueOn(store, { spool })
    store.mode = 'hang'
    queue.push(makeRecord())
    expect(await queue.flush(20_000)).toBe(true)
    expect(await total(spool)).toBe(1)
  })

  it('keeps one entry, though the reply to the first attempt was lost', async () => {
    const store = unreliable()
    const queue = queueOn(store)
    store.mode = 'lose-reply'
    queue.push(makeRecord())
    await expect.poll(() => store.adds).toBeGreaterThan(0)
    store.mode = 'up'
    expect(await queue.flush(20_000)).toBe(true)
    expect(await total(store)).toBe(1)
  })

  it('does not bring back through the spool what was replayed in the meantime', async () => {
    const store = unreliable()
    const spool = localDeadLetters()
    const queue = queueOn(store, { spool })
    const record = makeRecord()
    store.mode = 'lose-reply'
    queue.push(record)
    await queue.flush(5000)
    expect(await total(spool)).toBe(1)
    const { items } = await store.claim({ limit: 1, leaseMs: 1000 })
    const replay = { at: 1, outcome: 'done' } as const
    expect(await store.settle(record.id, items[0]!.fence, { outcome: 'done', replay })).toBe('done')
    store.mode = 'up'
    await expect
      .poll(
        async () => {
          queue.push(makeRecord())
          return total(spool)
        },
        { timeout: 20_000, interval: 50 },
      )
      .toBe(0)
    expect(await store.get(record.id)).toBeUndefined()
  })

  it('keeps records in memory until the store is back when there is no spool, and says so once', async () => {
    const store = unreliable()
    const said: string[] = []
    const queue = queueOn(store, { logger: { ...quiet, warn: (_context, message) => said.push(message) } })
    store.mode = 'fail'
    for (let i = 0; i < 5; i++) queue.push(makeRecord())
    await expect.poll(() => store.adds).toBeGreaterThan(2)
    store.mode = 'up'
    expect(await queue.flush(20_000)).toBe(true)
    expect(await total(store)).toBe(5)
    expect(said).toEqual([expect.stringContaining('without a spool')])
  })

  it('warns at the start about a remote store without a spool', () => {
    const said: string[] = []
    queueOn(Object.assign(unreliable(), { remote: true }), {
      logger: { ...quiet, warn: (_context, message) => said.push(message) },
    })
    expect(said).toEqual([expect.stringContaining('no `spool`')])
  })

  it('drops the newest when it is full, by count and by bytes, and tells', async () => {
    const events: DeadLetterDroppedEvent[] = []
    const listener = (event: DeadLetterDroppedEvent): number => events.push(event)
    channels.deadLetterDropped.subscribe(listener)
    const dropped: [DeadLetterRecord, string][] = []
    const store = unreliable()
    store.mode = 'fail'
    const queue = queueOn(store, { maxQueued: 2, onDrop: (record, reason) => dropped.push([record, reason]) })
    const records = [makeRecord(), makeRecord(), makeRecord()]
    for (const record of records) queue.push(record)
    expect(dropped).toEqual([[records[2], 'queue-full']])
    const small = queueOn(store, {
      maxQueuedBytes: 10_000,
      onDrop: (record, reason) => dropped.push([record, reason]),
    })
    const big = makeRecord({ request: { body: new Uint8Array(9000) } })
    small.push(big)
    expect(dropped[1]).toEqual([big, 'queue-full'])
    channels.deadLetterDropped.unsubscribe(listener)
    expect(events.map(({ id, reason }) => [id, reason])).toEqual([
      [records[2]!.id, 'queue-full'],
      [big.id, 'queue-full'],
    ])
  })

  it('offers to the spool what the store has no room for, and drops what the spool has none for', async () => {
    const store = localDeadLetters({ maxBytes: 1024 })
    const spool = localDeadLetters({ maxBytes: 8192 })
    const dropped: [string, string][] = []
    const queue = queueOn(store, { spool, onDrop: ({ id }, reason) => dropped.push([id, reason]) })
    const fits = makeRecord({ request: { body: new Uint8Array(4000) } })
    const huge = makeRecord({ request: { body: new Uint8Array(9000) } })
    queue.push(fits)
    queue.push(huge)
    await queue.flush(5000)
    expect(await spool.get(fits.id)).toBeDefined()
    expect(dropped).toEqual([[huge.id, 'store-full']])
  })

  it('lets a hook that throws, and a record that cannot be made, harm nobody', async () => {
    const store = unreliable()
    const failures: object[] = []
    const log = (context: object): number => failures.push(context)
    const queue = queueOn(store, {
      maxQueued: 1,
      reporter: new Reporter('test', { info: log, warn: log, error: log }),
      onDrop: () => {
        throw new Error('a bug')
      },
    })
    await queue.capture(queue.reserve(1024)!, () => Promise.reject(new Error('no record')))
    queue.push(makeRecord())
    queue.push(makeRecord())
    expect(await queue.flush(20_000)).toBe(true)
    expect(failures).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ hook: 'deadLetter' }),
        expect.objectContaining({ hook: 'onDrop' }),
      ]),
    )
  })

  it('waits in close for records that are still being made', async () => {
    const store = unreliable()
    const queue = queueOn(store)
    let make!: (record: DeadLetterRecord) => void
    void queue.capture(queue.reserve(1024)!, () => new Promise((resolve) => (make = resolve)))
    const closed = queue.close(5000)
    expect(queue.open).toBe(false)
    make(makeRecord())
    await closed
    expect(await total(store)).toBe(1)
  })

  it('gives up in close after its time, and hands the rest to onDrop', async () => {
    const store = unreliable()
    store.mode = 'hang'
    const dropped: string[] = []
    const queue = queueOn(store, {
      storeTimeoutMs: 10_000,
      onDrop: (_record, reason) => dropped.push(reason),
    })
    queue.push(makeRecord())
    queue.push(makeRecord())
    const began = performance.now()
    await queue.close(50)
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(dropped).toEqual(['closed', 'closed'])
  })

  it('stores at close what waited for a store that is back', async () => {
    const store = unreliable()
    store.mode = 'fail'
    const queue = queueOn(store)
    queue.push(makeRecord())
    await expect.poll(() => store.adds).toBeGreaterThan(2)
    store.mode = 'up'
    await queue.close(3000)
    expect(await total(store)).toBe(1)
  })

  it('drains what another process left in the spool', async () => {
    const store = unreliable()
    const spool = localDeadLetters()
    await spool.add([makeRecord(), makeRecord()])
    queueOn(store, { spool })
    await expect.poll(() => total(store), { timeout: 20_000 }).toBe(2)
    expect(await total(spool)).toBe(0)
  })

  it('drops a record that the store can never take, and keeps the others of its batch', async () => {
    const events: DeadLetterDroppedEvent[] = []
    const listener = (event: DeadLetterDroppedEvent): number => events.push(event)
    channels.deadLetterDropped.subscribe(listener)
    const bad = Array.from({ length: 7 }, () => makeRecord())
    const store = picky(bad)
    const dropped: [string, string][] = []
    const queue = queueOn(store, {
      storeTimeoutMs: 2000,
      onDrop: ({ id }, reason) => dropped.push([id, reason]),
    })
    const good = Array.from({ length: 900 }, () => makeRecord())
    for (const record of [...bad.slice(0, 3), ...good, ...bad.slice(3)]) queue.push(record)
    expect(await queue.flush(20_000)).toBe(true)
    channels.deadLetterDropped.unsubscribe(listener)
    expect(await total(store)).toBe(900)
    const told = bad.map(({ id }) => [id, 'refused-by-store']).sort()
    expect(dropped.sort()).toEqual(told)
    expect(events.map(({ id, reason }) => [id, reason]).sort()).toEqual(told)
  })

  it.each([
    ['a time that is not whole', { notBefore: 1.5 }],
    ['a time beyond all numbers', { notBefore: Infinity }],
    ['a number that JSON cannot say', { retryCount: 1n as unknown as number }],
  ])('drops a record alone that no store could read back: %s', async (_what, changes) => {
    const store = sqliteStore(':memory:')
    const dropped: string[] = []
    const queue = queueOn(store.deadLetters, {
      storeTimeoutMs: 2000,
      onDrop: (_record, reason) => dropped.push(reason),
    })
    queue.push(makeRecord(changes))
    expect(await queue.flush(3000)).toBe(true)
    queue.push(makeRecord())
    expect(await queue.flush(3000)).toBe(true)
    expect(await total(store.deadLetters)).toBe(1)
    expect(dropped).toEqual(['refused-by-store'])
    await queue.close(0)
    await store.close()
  })

  it('drops nothing in an outage, though the store takes some and fails for others', async () => {
    const records = Array.from({ length: 300 }, () => makeRecord())
    const store = picky(records.slice(100))
    const dropped: string[] = []
    const queue = queueOn(store, { onDrop: (_record, reason) => dropped.push(reason) })
    store.error = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    for (const record of records) queue.push(record)
    expect(await queue.flush(500)).toBe(false)
    store.mode = 'fail'
    await queue.flush(300)
    store.mode = 'up'
    store.refuses = []
    expect(await queue.flush(20_000)).toBe(true)
    expect(await total(store)).toBe(300)
    expect(dropped).toEqual([])
  })

  it('keeps in the spool what is good while the store is away, whatever the spool cannot take', async () => {
    const bad = makeRecord({ notBefore: 0.5 })
    const store = unreliable()
    store.mode = 'fail'
    const spool = picky([bad])
    const dropped: [string, string][] = []
    const queue = queueOn(store, { spool, onDrop: ({ id }, reason) => dropped.push([id, reason]) })
    for (const record of [makeRecord(), bad, makeRecord()]) queue.push(record)
    expect(await queue.flush(20_000)).toBe(true)
    expect(await total(spool)).toBe(2)
    expect(dropped).toEqual([[bad.id, 'refused-by-store']])
  })

  it('gives a record that the store refuses alone a second chance by way of the spool', async () => {
    const odd = makeRecord()
    const store = picky([odd])
    const spool = localDeadLetters()
    const dropped: string[] = []
    const queue = queueOn(store, {
      spool,
      storeTimeoutMs: 2000,
      onDrop: (_record, reason) => dropped.push(reason),
    })
    for (const record of [makeRecord(), odd, makeRecord()]) queue.push(record)
    expect(await queue.flush(20_000)).toBe(true)
    store.refuses = []
    await expect.poll(() => store.get(odd.id), { timeout: 20_000 }).toBeDefined()
    expect(dropped).toEqual([])
  })

  it('drains the spool past records that the store refuses alone, which stay there, and says so', async () => {
    const bad = Array.from({ length: 15 }, () => makeRecord())
    const store = picky(bad)
    const spool = localDeadLetters()
    await spool.add([...bad, ...Array.from({ length: 50 }, () => makeRecord())])
    const dropped: string[] = []
    const said: string[] = []
    const queue = queueOn(store, {
      spool,
      storeTimeoutMs: 2000,
      onDrop: ({ id }) => dropped.push(id),
      logger: { ...quiet, warn: (_context, message) => said.push(message) },
    })
    await expect.poll(() => total(store), { timeout: 20_000 }).toBe(50)
    await queue.close(1000)
    expect(await total(spool)).toBe(15)
    expect((await spool.stats()).byStatus.leased).toBe(0)
    expect(dropped).toEqual([])
    expect(said).toContainEqual(
      expect.stringMatching(/refuses dead letter .* stays in the spool: .*datatype mismatch/),
    )
  })
})
