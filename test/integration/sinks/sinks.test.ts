import { Agent, request } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { DeadLetterSink } from '../../../src/dead-letter/store/sink.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { deadLetter, type DeadLetterOptions, resilience, type ResilienceStack } from '../../../src/index.ts'
import { memoryStore } from '../../../src/stores/memory/memory-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { channels, type DeadLetterDurableEvent } from '../../../src/telemetry/channels.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { Unavailable } from '../../support/calls/unavailable.ts'
import { total, unreliable } from '../../support/dead-letters/capture-queue.ts'

/** What a busy machine needs. */
const SOON = { timeout: 20_000 }

/** A queue that can be away, and remembers every delivery. */
class Queue implements DeadLetterSink {
  readonly remote = true
  readonly name: string
  readonly delivered: DeadLetterRecord[] = []
  mode: 'up' | 'away' | 'silent' | 'full' = 'up'

  constructor(name: string) {
    this.name = name
  }

  async add(records: readonly DeadLetterRecord[]): ReturnType<DeadLetterSink['add']> {
    const ids = records.map(({ id }) => id)
    if (this.mode === 'away') throw Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })
    if (this.mode === 'silent') await new Promise(() => undefined)
    const told = { kept: ids, duplicates: 0, settled: [], evicted: [], refused: [] }
    if (this.mode === 'full') return { ...told, kept: [], refused: ids }
    this.delivered.push(...records)
    return told
  }

  get ids(): string[] {
    return [...new Set(this.delivered.map(({ id }) => id))].sort()
  }

  async close(): Promise<void> {}
}

const stacks: { close(options?: { timeoutMs?: number }): Promise<void> }[] = []
afterEach(async () => {
  for (const stack of stacks.splice(0)) await stack.close({ timeoutMs: 0 })
})

function stackWith(options: DeadLetterOptions, store = memoryStore()): ResilienceStack {
  const stack = resilience({ store, retry: false, circuitBreaker: false, deadLetter: options })
  stacks.push(stack)
  return stack
}

async function fail(stack: ResilienceStack, count: number): Promise<void> {
  const dispatcher = new Unavailable().compose(stack)
  for (let at = 0; at < count; at++) {
    const { body } = await request('http://127.0.0.1:1/', {
      dispatcher,
      method: 'PUT',
      body: `order ${at}`,
    })
    await body.dump()
  }
}

async function idsIn(store: DeadLetterStore): Promise<string[]> {
  return (await store.list({ limit: 1000 })).items.map(({ id }) => id).sort()
}

describe('the sinks of a stack', () => {
  it('get every record, body included, beside the store', async () => {
    const queues = [new Queue('one'), new Queue('two')]
    const stack = stackWith({ sinks: queues, spool: localDeadLetters() })
    await fail(stack, 20)
    const ids = await idsIn(stack.deadLetters)
    expect(ids).toHaveLength(20)
    for (const queue of queues) await expect.poll(() => queue.ids, SOON).toEqual(ids)
    expect(queues[0]!.delivered.map(({ request: { body } }) => Buffer.from(body!).toString()).sort()).toEqual(
      Array.from({ length: 20 }, (_, at) => `order ${at}`).sort(),
    )
  })

  it('are told as durable by their names', async () => {
    const events: DeadLetterDurableEvent[] = []
    const listener = (event: DeadLetterDurableEvent): number => events.push(event)
    channels.deadLetterDurable.subscribe(listener)
    const [near, away] = [new Queue('near'), new Queue('away')]
    away.mode = 'away'
    const stack = stackWith({ sinks: [near, away], spool: localDeadLetters() })
    await fail(stack, 1)
    await expect.poll(() => events.length, SOON).toBe(3)
    channels.deadLetterDurable.unsubscribe(listener)
    const [id] = await idsIn(stack.deadLetters)
    expect(events).toEqual(
      expect.arrayContaining([
        { id, where: 'store' },
        { id, where: 'sink', sink: 'near' },
        { id, where: 'spool', sink: 'away' },
      ]),
    )
  })

  it.each(['away', 'silent', 'full'] as const)(
    'one that is %s holds up neither the store nor another, and gets all of it afterwards',
    async (mode) => {
      const [near, far] = [new Queue('near'), new Queue('far')]
      far.mode = mode
      const spool = sqliteStore(':memory:').deadLetters
      const stack = stackWith({ sinks: [near, far], spool, storeTimeoutMs: 100 })
      await fail(stack, 30)
      const ids = await idsIn(stack.deadLetters)
      await expect.poll(() => near.ids, SOON).toEqual(ids)
      await expect.poll(() => total(spool), SOON).toBe(30)
      expect(far.delivered).toEqual([])
      far.mode = 'up'
      await fail(stack, 1)
      await expect.poll(() => far.ids.length, SOON).toBe(31)
      expect(far.ids).toEqual(await idsIn(stack.deadLetters))
      expect(far.delivered[0]).not.toHaveProperty('labels.undici-resilience.sink')
      await expect.poll(() => total(spool), SOON).toBe(0)
    },
  )

  it('go on while the store is away', async () => {
    const letters = localDeadLetters()
    const add = letters.add.bind(letters)
    let isAway = true
    letters.add = (...given) =>
      isAway ? Promise.reject(Object.assign(new Error('away'), { code: 'EAWAY' })) : add(...given)
    const queue = new Queue('queue')
    const spool = localDeadLetters()
    const stack = stackWith({ sinks: [queue], spool }, { ...memoryStore(), deadLetters: letters })
    await fail(stack, 5)
    await expect.poll(() => queue.ids.length, SOON).toBe(5)
    expect(await idsIn(spool)).toEqual(queue.ids)
    isAway = false
    await expect.poll(() => total(letters), SOON).toBe(5)
    expect(queue.delivered).toHaveLength(5)
  })

  it('keep what is theirs in a spool that another stack drains into its store', async () => {
    const spool = localDeadLetters()
    const queue = new Queue('queue')
    queue.mode = 'away'
    const stack = stackWith({ sinks: [queue], spool })
    await fail(stack, 3)
    await expect.poll(() => total(spool), SOON).toBe(3)
    await stack.close()
    const other = stackWith({ spool }, { ...memoryStore(), deadLetters: unreliable() })
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await total(spool)).toBe(3)
    expect(await total(other.deadLetters)).toBe(0)
    // the same sink after a restart
    queue.mode = 'up'
    stackWith({ sinks: [queue], spool })
    await expect.poll(() => queue.ids.length, SOON).toBe(3)
    expect(await total(spool)).toBe(0)
  })

  it.each([
    ['without a store', undefined],
    ['with a store in memory', memoryStore()],
  ])('leave in the spool, of a stack %s, what is for the store of another', async (_which, store) => {
    const spool = localDeadLetters()
    const captured = makeRecord()
    await spool.add([captured])
    const queue = new Queue('queue')
    queue.mode = 'away'
    const deadLetter = { sinks: [queue], spool }
    const stack = resilience({ retry: false, circuitBreaker: false, deadLetter, ...(store && { store }) })
    stacks.push(stack)
    await fail(stack, 1)
    await expect.poll(() => total(spool), SOON).toBe(2)
    queue.mode = 'up'
    await expect.poll(() => queue.ids.length, SOON).toBe(1)
    await expect.poll(() => total(spool), SOON).toBe(1)
    expect(await idsIn(spool)).toEqual([captured.id])
    expect(await idsIn(stack.deadLetters)).toEqual(queue.ids)
    // the stack that it belongs to
    const owners = unreliable()
    stackWith({ spool }, { ...memoryStore(), deadLetters: owners })
    await expect.poll(() => idsIn(owners), SOON).toEqual([captured.id])
  })

  it('whose copies cannot be kept anywhere hand them to `onDrop` with their name', async () => {
    const queue = new Queue('queue')
    queue.mode = 'away'
    const dropped: [string, string, string | undefined][] = []
    const stack = stackWith({
      sinks: [queue],
      onDrop: ({ id }, reason, sink) => void dropped.push([id, reason, sink]),
    })
    await fail(stack, 2)
    const ids = await idsIn(stack.deadLetters)
    await stack.close({ timeoutMs: 50 })
    expect(dropped).toEqual(ids.map((id) => [id, 'closed', 'queue']))
  })

  it('get at `close` what is on its way, and stay open themselves', async () => {
    const queue = new Queue('queue')
    queue.mode = 'away'
    const stack = stackWith({ sinks: [queue] })
    await fail(stack, 10)
    const closing = stack.close()
    queue.mode = 'up'
    await closing
    expect(queue.ids).toHaveLength(10)
    await expect(queue.add([])).resolves.toMatchObject({ kept: [] })
  })

  it('are waited for by `flush` of `deadLetter` used alone', async () => {
    const queue = new Queue('queue')
    queue.mode = 'away'
    const letters = deadLetter({ sinks: [queue] })
    stacks.push(letters)
    const { body } = await request('http://127.0.0.1:1/', {
      dispatcher: new Unavailable().compose(letters),
    })
    await body.dump()
    expect(await letters.flush({ timeoutMs: 50 })).toBe(false)
    queue.mode = 'up'
    expect(await letters.flush()).toBe(true)
    expect(queue.ids).toHaveLength(1)
  })
})

describe('the option `sinks`', () => {
  const bullmqQueue = { add: () => undefined, addBulk: () => undefined, close: () => undefined }
  it.each<[string, unknown, string]>([
    ['a sink alone', new Queue('x'), '`deadLetter.sinks` must be an array'],
    ['nothing', [undefined], '`deadLetter.sinks[0]` must be a DeadLetterSink'],
    ['a queue of BullMQ', [bullmqQueue], 'a Queue of BullMQ: make a sink of it, `bullmqSink(queue)`'],
    ['a channel', [{ sendToQueue: () => undefined }], '`rabbitmqSink(() => amqp.connect(url), { queue })`'],
    ['a store', [memoryStore()], 'did you mean its `deadLetters`?'],
    ['two of one name', [new Queue('x'), new Queue('x')], 'must have names that differ, got two of "x"'],
    ['a name that is none', [Object.assign(new Queue(''))], '`deadLetter.sinks[0].name` must be'],
  ])('refuses %s, and says what was meant', (_what, sinks, message) => {
    expect(() => resilience({ deadLetter: { sinks: sinks as DeadLetterSink[] } })).toThrow(message)
  })

  it('refuses the store and the spool, which have the records anyway', () => {
    const store = memoryStore()
    const spool = localDeadLetters()
    expect(() => resilience({ store, deadLetter: { sinks: [store.deadLetters] } })).toThrow(
      '`deadLetter.sinks[0]` must be another place than `store`, got the same',
    )
    expect(() => deadLetter({ spool, sinks: [spool] })).toThrow(
      '`sinks[0]` must be another place than `spool`, got the same',
    )
  })

  it('composes with any dispatcher', () => {
    expect(() => new Agent().compose(stackWith({ sinks: [new Queue('x')] }))).not.toThrow()
  })
})
