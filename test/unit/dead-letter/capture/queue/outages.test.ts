import { afterEach, describe, expect, it, vi } from 'vitest'
import { localDeadLetters } from '../../../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../../../src/dead-letter/record/record.ts'
import type { DeadLetterStore } from '../../../../../src/dead-letter/store/store.ts'
import { channels, type DeadLetterDurableEvent } from '../../../../../src/telemetry/channels.ts'
import { makeRecord } from '../../../../../src/testing/contracts/records.ts'
import {
  closeQueues,
  queueOn,
  quiet,
  total,
  unreliable,
} from '../../../../support/dead-letters/capture-queue.ts'

let durable: (DeadLetterDurableEvent & { at: number })[] = []
const listener = (event: DeadLetterDurableEvent): void =>
  void durable.push({ ...event, at: performance.now() })

afterEach(async () => {
  vi.useRealTimers()
  await closeQueues()
  channels.deadLetterDurable.unsubscribe(listener)
  durable = []
})

const some = (count: number, bytes = 0): DeadLetterRecord[] =>
  Array.from({ length: count }, () => makeRecord({ request: { body: new Uint8Array(bytes) } }))
const ids = (records: readonly { id: string }[]): string[] => records.map(({ id }) => id).sort()

async function idsIn(store: DeadLetterStore): Promise<string[]> {
  return ids((await store.list({ limit: 1000 })).items)
}

/** A store with so much room, as Redis has it under `maxmemory` with `noeviction`. */
function small(
  bytes: number,
): DeadLetterStore & { room: number; seen: string[][]; error: (size: number) => Error } {
  const inner = localDeadLetters()
  const store = Object.assign(Object.create(inner) as DeadLetterStore, {
    room: bytes,
    seen: [] as string[][],
    error: (_size: number) =>
      new Error("OOM command not allowed when used memory > 'maxmemory'. script: 3f, on @user_script:71."),
  })
  for (const name of ['get', 'list', 'stats'] as const) {
    Object.defineProperty(store, name, { value: (inner[name] as () => unknown).bind(inner) })
  }
  store.add = async (records, options) => {
    store.seen.push(records.map(({ id }) => id))
    const size = records.reduce((sum, { request }) => sum + 100 + (request.body?.byteLength ?? 0), 0)
    if (size > store.room) throw store.error(size)
    const { duplicates } = await inner.add(records, options).then((result) => {
      store.room -= result.duplicates === 0 ? size : 0
      return result
    })
    return { kept: records.map(({ id }) => id), duplicates, settled: [], evicted: [], refused: [] }
  }
  return store
}

describe('a store that does not answer', () => {
  it('keeps no record waiting for longer than spoolAfterMs, and none after the first for so long', async () => {
    const store = unreliable()
    const spool = localDeadLetters()
    store.mode = 'hang'
    channels.deadLetterDurable.subscribe(listener)
    let asked = 0
    const late = (): void => {
      asked ||= store.adds
    }
    channels.deadLetterDurable.subscribe(late)
    const queue = queueOn(store, { spool, storeTimeoutMs: 60_000, spoolAfterMs: 40 })
    const pushed = new Map<string, number>()
    for (let n = 0; n < 10; n++) {
      const record = makeRecord()
      pushed.set(record.id, performance.now())
      queue.push(record)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(await queue.flush(10_000)).toBe(true)
    channels.deadLetterDurable.unsubscribe(late)
    expect(durable.map(({ id }) => id).sort()).toEqual([...pushed.keys()].sort())
    const waits = durable.map(({ id, at }) => at - pushed.get(id)!)
    // far from the minute that the store may take; test/chaos measures how far
    expect(Math.max(...waits)).toBeLessThan(5_000)
    // asked before it was late; while it owes an answer, it is not asked again
    expect(store.adds).toBe(asked)
    expect(asked).toBeLessThan(pushed.size)
    expect(durable.every(({ where }) => where === 'spool')).toBe(true)
  })

  it('and is only slow has it in the end, and the spool has not', async () => {
    const store = unreliable()
    const spool = localDeadLetters()
    const answers = Promise.withResolvers<void>()
    const add = store.add.bind(store)
    store.add = async (records) => {
      await answers.promise
      return add(records)
    }
    const queue = queueOn(store, { spool, storeTimeoutMs: 60_000 })
    const records = some(3)
    for (const record of records) queue.push(record)
    expect(await queue.flush(10_000)).toBe(true)
    expect(await total(spool)).toBe(3)
    expect(await total(store)).toBe(0)
    const settled = queue.settle(2000)
    answers.resolve()
    await settled
    expect(await idsIn(store)).toEqual(ids(records))
    expect(await total(spool)).toBe(0)
    expect(store.adds).toBe(1)
  })

  it('gets what it had not taken from the spool', async () => {
    const store = unreliable()
    const spool = localDeadLetters()
    store.mode = 'hang'
    const queue = queueOn(store, { spool, storeTimeoutMs: 100 })
    const records = some(3)
    for (const record of records) queue.push(record)
    expect(await queue.flush(10_000)).toBe(true)
    store.mode = 'up'
    await expect.poll(() => total(spool)).toBe(0)
    expect(await idsIn(store)).toEqual(ids(records))
  })
})

describe('a store that fails', () => {
  it('is tried again with what is in the spool, never with what is new', async () => {
    const store = unreliable()
    const spool = localDeadLetters()
    const tried: string[] = []
    const add = store.add.bind(store)
    store.add = async (records) => {
      tried.push(...records.map(({ id }) => id))
      return add(records)
    }
    const queue = queueOn(store, { spool, storeTimeoutMs: 200 })
    store.mode = 'fail'
    const first = makeRecord()
    queue.push(first)
    expect(await queue.flush(10_000)).toBe(true)
    channels.deadLetterDurable.subscribe(listener)
    const spooled = new Set([first.id])
    for (let n = 0; n < 40; n++) {
      tried.length = 0
      const record = makeRecord()
      queue.push(record)
      expect(await queue.flush(10_000)).toBe(true)
      expect(tried.filter((id) => !spooled.has(id))).toEqual([])
      spooled.add(record.id)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(new Set(durable.map(({ where }) => where))).toEqual(new Set(['spool']))
    store.mode = 'up'
    await expect.poll(() => total(spool), { timeout: 10_000 }).toBe(0)
    expect(await idsIn(store)).toEqual([...spooled].sort())
  })

  it('keeps nobody waiting in close beyond its time, though the spool is being drained', async () => {
    const store = unreliable()
    const spool = localDeadLetters()
    store.mode = 'hang'
    await spool.add(some(3))
    const queue = queueOn(store, { spool, storeTimeoutMs: 30_000 })
    await expect.poll(() => store.adds).toBe(1)
    const began = performance.now()
    await queue.close(100)
    expect(performance.now() - began).toBeLessThan(10_000)
  })
})

describe('room', () => {
  it('is never a record’s fault: a batch that does not fit waits for room, and nothing is dropped', async () => {
    const store = small(2_000)
    const dropped: string[] = []
    const queue = queueOn(store, { storeTimeoutMs: 2000, onDrop: ({ id }) => dropped.push(id) })
    // small ones fit, large ones fail: by halves, one would take them for bad
    const records = [...some(8, 10), ...some(4, 50_000)]
    for (const record of records) queue.push(record)
    expect(await queue.flush(700)).toBe(false)
    expect(dropped).toEqual([])
    store.room = Infinity
    expect(await queue.flush(20_000)).toBe(true)
    expect(await idsIn(store)).toEqual(ids(records))
    expect(dropped).toEqual([])
  })

  it.each([
    ['Redis', undefined],
    [
      'SQLite',
      () =>
        Object.assign(new Error('database or disk is full'), {
          code: 'ERR_SQLITE_ERROR',
          errcode: 13,
          errstr: 'database or disk is full',
        }),
    ],
  ])('for what is in the spool too: %s has some, and the rest stays where it is', async (_what, error) => {
    const store = small(1_500)
    if (error !== undefined) store.error = error
    const spool = localDeadLetters()
    const records = [...some(10, 10), ...some(10, 40_000)]
    await spool.add(records)
    const dropped: string[] = []
    queueOn(store, { spool, storeTimeoutMs: 2000, onDrop: ({ id }) => dropped.push(id) })
    await expect.poll(() => store.seen.length, { timeout: 10_000 }).toBeGreaterThan(3)
    const both = [...(await idsIn(spool)), ...(await idsIn(store))]
    expect(both.sort()).toEqual(ids(records))
    store.room = Infinity
    await expect.poll(() => total(spool), { timeout: 20_000 }).toBe(0)
    expect(await idsIn(store)).toEqual(ids(records))
    expect(dropped).toEqual([])
  })

  it('in the spool neither: what it refuses waits for the store, and what is new does not wait behind', async () => {
    const store = unreliable()
    store.mode = 'fail'
    const spool = localDeadLetters({ maxBytes: 20_000 })
    const dropped: string[] = []
    const queue = queueOn(store, { spool, onDrop: ({ id }) => dropped.push(id) })
    const [large] = some(1, 30_000) as [DeadLetterRecord]
    queue.push(large)
    expect(await queue.flush(200)).toBe(false)
    channels.deadLetterDurable.subscribe(listener)
    const [little] = some(1) as [DeadLetterRecord]
    const pushed = performance.now()
    queue.push(little)
    await expect.poll(() => durable.length, { interval: 5 }).toBe(1)
    expect(durable[0]).toMatchObject({ id: little.id, where: 'spool' })
    expect(durable[0]!.at - pushed).toBeLessThan(10_000)
    store.mode = 'up'
    expect(await queue.flush(20_000)).toBe(true)
    await expect.poll(() => idsIn(store), { timeout: 20_000 }).toEqual(ids([large, little]))
    expect(dropped).toEqual([])
  })
})

describe('the wall clock', () => {
  const DAY_MS = 24 * 3_600_000

  it.each([
    ['back a day', -DAY_MS],
    ['forward an hour', 3_600_000],
  ])('steps %s after a failure, and the store is tried again as soon as ever', async (_what, step) => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const store = unreliable()
    store.mode = 'fail'
    const queue = queueOn(store)
    queue.push(makeRecord())
    await expect.poll(() => store.adds).toBeGreaterThan(0)
    vi.setSystemTime(Date.now() + step)
    const before = store.adds
    await new Promise((resolve) => setTimeout(resolve, 40))
    // not before its time either
    expect(store.adds - before).toBeLessThanOrEqual(3)
    store.mode = 'up'
    expect(await queue.flush(20_000)).toBe(true)
    expect(await total(store)).toBe(1)
  })

  it('steps back a day, and the spool is drained as soon as ever', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const store = unreliable()
    const spool = localDeadLetters({ now: () => performance.now() })
    store.mode = 'fail'
    const queue = queueOn(store, { spool, logger: quiet })
    queue.push(makeRecord())
    expect(await queue.flush(10_000)).toBe(true)
    vi.setSystemTime(Date.now() - DAY_MS)
    store.mode = 'up'
    await expect.poll(() => total(spool)).toBe(0)
    expect(await total(store)).toBe(1)
  })
})

describe('a sink that gives no proper answer', () => {
  const proper = { kept: [] as string[], duplicates: 0, settled: [], evicted: [], refused: [] }

  it.each([
    ['nothing', undefined],
    ['only what it has kept', { kept: [] }],
    ['lists that are none', { ...proper, refused: 1 }],
  ])('but %s counts as one that failed: its records wait, and it is asked once', async (_what, answer) => {
    const failures: (Error | undefined)[] = []
    const listener = ({ error }: { error?: Error | undefined }): number => failures.push(error)
    channels.storeDegraded.subscribe(listener)
    let adds = 0
    const sink = { add: async () => (adds++, answer as never), close: async () => undefined }
    const spool = localDeadLetters()
    const queue = queueOn(sink, { spool, sink: 'mine' })
    for (const record of some(30)) queue.push(record)
    expect(await queue.flush(10_000)).toBe(true)
    channels.storeDegraded.unsubscribe(listener)
    expect(await total(spool)).toBe(30)
    expect(adds).toBe(1)
    expect(failures).toEqual([
      expect.objectContaining({
        name: 'TypeError',
        message: expect.stringContaining('`add` of the sink must resolve to') as string,
      }),
    ])
  })

  it('of some records has not kept them: they wait in the spool, the others do not', async () => {
    const records = some(4)
    const [first, second, third, fourth] = ids(records) as [string, string, string, string]
    const answer = { ...proper, kept: [first], settled: [second], refused: [third] }
    const warnings: string[] = []
    const logger = { ...quiet, warn: (_context: object, message: string) => void warnings.push(message) }
    const sink = { add: async () => answer, close: async () => undefined }
    const spool = localDeadLetters()
    channels.deadLetterDurable.subscribe(listener)
    const queue = queueOn(sink, { spool, logger })
    for (const record of records) queue.push(record)
    expect(await queue.flush(10_000)).toBe(true)
    expect(await idsIn(spool)).toEqual([third, fourth])
    expect(durable.map(({ id, where }) => [id, where])).toEqual([
      [first, 'store'],
      [second, 'store'],
      [third, 'spool'],
      [fourth, 'spool'],
    ])
    expect(warnings[0]).toContain(`says nothing of dead letter ${fourth}`)
  })
})

it('a logger that throws holds up no record', async () => {
  const store = unreliable()
  store.mode = 'fail'
  const logger = {
    ...quiet,
    info: () => {
      throw new Error('no info')
    },
    warn: () => {
      throw new Error('no warnings')
    },
  }
  const queue = queueOn(store, { logger })
  queue.push(makeRecord())
  await expect.poll(() => store.adds).toBeGreaterThan(0)
  store.mode = 'up'
  expect(await queue.flush(20_000)).toBe(true)
  expect(await total(store)).toBe(1)
})
