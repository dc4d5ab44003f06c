import { Agent, type Dispatcher, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deadLetter, type DeadLetterInterceptor } from '../../../src/dead-letter/interceptor.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterOptions } from '../../../src/dead-letter/options.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import type { DeadLetterStore } from '../../../src/dead-letter/store/store.ts'
import { channels, type DeadLetterDroppedEvent } from '../../../src/telemetry/channels.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { via } from '../../support/calls/via.ts'

let agent: Agent
let store: DeadLetterStore
/** Ends the wait of each `add` that comes. */
let open: PromiseWithResolvers<void>
let drops: { record: DeadLetterRecord; reason: string }[]
let events: DeadLetterDroppedEvent[]
const made: DeadLetterInterceptor[] = []
const listener = (event: DeadLetterDroppedEvent): number => events.push(event)

beforeEach(() => {
  agent = new Agent()
  open = Promise.withResolvers()
  drops = []
  events = []
  const inner = localDeadLetters({ maxRecords: 100_000 })
  store = new Proxy(inner, {
    get(target, name) {
      if (name === 'add') return (records: DeadLetterRecord[]) => open.promise.then(() => inner.add(records))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  channels.deadLetterDropped.subscribe(listener)
})
afterEach(async () => {
  channels.deadLetterDropped.unsubscribe(listener)
  open.resolve()
  for (const letters of made.splice(0)) await letters.close()
  await agent.destroy()
})

function lettersWith(options: DeadLetterOptions): DeadLetterInterceptor {
  const letters = deadLetter({
    integration: 'crm',
    store: { deadLetters: store },
    storeTimeoutMs: 60_000,
    onDrop: (record, reason) => drops.push({ record, reason }),
    ...options,
  })
  made.push(letters)
  return letters
}

const refusal: Dispatcher.DispatcherComposeInterceptor = () => (_options, handler) => {
  const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
  queueMicrotask(() => handler.onResponseError?.(undefined as never, error))
  return true
}

/** A body that says how often it was read from. */
function watchedBody(): AsyncIterable<Buffer> & { pulls: number } {
  const body = {
    pulls: 0,
    async *[Symbol.asyncIterator]() {
      body.pulls++
      yield Buffer.alloc(1000)
    },
  }
  return body
}

const fails = (dispatcher: Dispatcher, body: unknown): Promise<unknown> =>
  request('http://crm.test/orders?id=7', { method: 'POST', body: body as never, dispatcher }).then(
    () => expect.unreachable('the call fails'),
    (error: unknown) => error,
  )

describe('room for captures', () => {
  it('is taken before a body is read, and a call that finds none is told and left alone', async () => {
    const letters = lettersWith({ maxQueuedBytes: 20_000, maxBodyBytes: 10_000 })
    const dispatcher = agent.compose(refusal, letters)
    const first = watchedBody()
    const second = watchedBody()
    const told: string[] = []
    await fails(dispatcher, first)
    // an upload of unknown length may take all of maxBodyBytes, and gives back what it did not
    await expect.poll(() => first.pulls).toBe(1)
    await fails(dispatcher, Buffer.alloc(9_000))
    await withCallOptions({ onCaptured: (id) => told.push(id) }, () => fails(dispatcher, second))
    expect(second.pulls).toBe(0)
    expect(told).toEqual([])
    expect(events).toMatchObject([{ integration: 'crm', reason: 'queue-full' }])
    expect(drops).toHaveLength(1)
    const { record } = drops[0]!
    expect(record.id).toBe(events[0]!.id)
    expect(record).toMatchObject({
      request: { method: 'POST', url: 'http://crm.test/orders?id=7' },
      delivery: 'not-sent',
      replayable: false,
      notReplayableReason: 'body-unavailable',
    })
    expect(record.request.body).toBeUndefined()
    open.resolve()
    expect(await letters.flush()).toBe(true)
    expect((await store.stats()).total).toBe(2)
  })

  it('counts headers and urls', async () => {
    const letters = lettersWith({ maxQueuedBytes: 10_000 })
    const dispatcher = agent.compose(refusal, letters)
    const long = 'x'.repeat(9_000)
    await request('http://crm.test/', { dispatcher, headers: { 'x-long': long } }).catch(() => undefined)
    await request(`http://crm.test/?q=${long}`, { dispatcher }).catch(() => undefined)
    expect(events.map(({ reason }) => reason)).toEqual(['queue-full', 'queue-full'])
  })

  it('is held by a record that waits for its response body', async () => {
    const letters = lettersWith({ maxQueuedBytes: 24_000, maxResponseBytes: 16_000 })
    // headers, and a body that never comes
    const silent: Dispatcher.DispatcherComposeInterceptor = () => (_options, handler) => {
      handler.onResponseStart?.({ resume: () => undefined } as never, 503, {}, 'Service Unavailable')
      return true
    }
    const dispatcher = agent.compose(silent, letters)
    const call = (): number => {
      const before = events.length
      dispatcher.dispatch({ origin: 'http://crm.test', path: '/', method: 'GET' }, {})
      return events.length - before
    }
    // in one moment
    expect([call(), call()]).toEqual([0, 1])
    // what was kept of the response is all that it takes from then on
    await expect.poll(call).toBe(0)
  })

  it('of a sealed record is that of what was sent and of what is encrypted', async () => {
    const seal = { current: 'k1', keys: { k1: new Uint8Array(32) } }
    const letters = lettersWith({ maxQueuedBytes: 20_000, seal })
    const dispatcher = agent.compose(refusal, letters)
    await fails(dispatcher, Buffer.alloc(9_500))
    expect(events).toHaveLength(1)
    await fails(dispatcher, Buffer.alloc(5_000))
    expect(events).toHaveLength(1)
  })
})

describe('the room of a capture is given back', () => {
  /** Whether the only place is free. */
  async function isFree(dispatcher: Dispatcher): Promise<boolean> {
    const before = events.length
    await fails(dispatcher, 'x')
    return events.length === before
  }

  it('when the record is durable', async () => {
    open.resolve()
    const letters = lettersWith({ maxQueued: 1 })
    const dispatcher = agent.compose(refusal, letters)
    for (let n = 0; n < 3; n++) {
      await fails(dispatcher, 'x')
      expect(await letters.flush()).toBe(true)
    }
    expect(events).toEqual([])
  })

  it('when the spool has it and the store, which holds it as well, has answered', async () => {
    const letters = lettersWith({ maxQueued: 1, spool: localDeadLetters(), spoolAfterMs: 0 })
    const dispatcher = agent.compose(refusal, letters)
    await fails(dispatcher, 'x')
    expect(await letters.flush()).toBe(true)
    expect(await isFree(dispatcher)).toBe(false)
    open.resolve()
    await expect.poll(() => isFree(dispatcher)).toBe(true)
  })

  it('when the store refuses it', async () => {
    open.resolve()
    store = localDeadLetters({ maxBytes: 1024 })
    const letters = lettersWith({ maxQueued: 1 })
    const dispatcher = agent.compose(refusal, letters)
    await fails(dispatcher, 'x'.repeat(2000))
    expect(await letters.flush()).toBe(true)
    expect(events.map(({ reason }) => reason)).toEqual(['store-full'])
    expect(await isFree(dispatcher)).toBe(true)
  })

  it('when the caller ends the call while its body is read', async () => {
    const abort = new AbortController()
    const letters = lettersWith({ maxQueued: 1 })
    const dispatcher = agent.compose(refusal, letters)
    const endless = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('the start')),
    })
    setTimeout(() => abort.abort(new Error('changed my mind')), 5)
    const late: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
      setTimeout(() => dispatch(options, handler), 1)
      return true
    }
    const call = fetch(
      'http://crm.test',
      via(dispatcher.compose(late), { method: 'POST', body: endless, duplex: 'half', signal: abort.signal }),
    )
    await expect(call).rejects.toThrow('changed my mind')
    await expect.poll(() => isFree(dispatcher)).toBe(true)
  })

  it('when its record cannot be made', async () => {
    const letters = lettersWith({ maxQueued: 1, labels: { tenant: 'acme' } })
    const dispatcher = agent.compose(refusal, letters)
    const thrown: Error[] = []
    process.on('warning', (warning) => thrown.push(warning))
    const name = { toString: () => 'x-odd' }
    // a header that can be sized but not written down
    let reads = 0
    const odd = {
      get 'x-odd'() {
        if (++reads > 1) throw new Error('gone')
        return String(name)
      },
    }
    const direct: Dispatcher.DispatchHandler = { onResponseError: () => undefined }
    dispatcher.dispatch({ origin: 'http://crm.test', path: '/', method: 'GET', headers: odd }, direct)
    await expect.poll(() => isFree(dispatcher)).toBe(true)
    process.removeAllListeners('warning')
    expect(thrown.map(({ message }) => message)).toEqual(
      expect.arrayContaining([expect.stringContaining('gone')]),
    )
  })
})
