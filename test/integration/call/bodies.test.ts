import { Readable } from 'node:stream'
import {
  Agent,
  type Dispatcher,
  fetch as npmFetch,
  getGlobalDispatcher,
  request,
  setGlobalDispatcher,
} from 'undici'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { resilience } from '../../../src/resilience.ts'
import { retry } from '../../../src/retry/interceptor.ts'
import { type CallDoneEvent, channels } from '../../../src/telemetry/channels.ts'
import { timeout } from '../../../src/timeout/interceptor.ts'
import { bodyNames, checkBody, faultNames, senderNames } from '../../support/calls/body-matrix.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

let provider: Provider
let dispatcher: Dispatcher
let patient: Dispatcher
beforeEach(async () => {
  provider = await startProvider()
  dispatcher = new Agent().compose(timeout({ ms: 300 }), retry({ initialBackoffMs: 1 }))
  // where no server is silent: on a busy machine an honest answer may take longer
  patient = new Agent().compose(retry({ initialBackoffMs: 1 }))
})
afterEach(async () => {
  await dispatcher.close()
  await patient.close()
  await provider.close()
})

describe.each(senderNames)('through %s', (sender) => {
  describe.each(faultNames)('after %s', (fault) => {
    it.each(bodyNames)('a %s body is sent again whole', async (kind) => {
      const before = getGlobalDispatcher()
      await checkBody({ sender, fault, kind }, provider, fault === 'a timeout' ? dispatcher : patient)
      setGlobalDispatcher(before)
    })
  })
})

describe('a body larger than maxBodyBytes', () => {
  const big = 10 * 1024 * 1024
  const chunk = Buffer.alloc(64 * 1024, 7)
  async function* source(count: { given: number }): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < big; sent += chunk.length) {
      await Promise.resolve()
      count.given += chunk.length
      yield chunk
    }
  }

  /** Uploads 40 MB; gives back the most memory that buffers held meanwhile, after a collection each megabyte. */
  async function peakOfUpload(through: Dispatcher): Promise<number> {
    const count = { given: 0 }
    let peak = 0
    globalThis.gc!()
    const before = process.memoryUsage().arrayBuffers
    async function* fresh(): AsyncGenerator<Uint8Array> {
      while (count.given < 4 * big) {
        count.given += chunk.length
        // a new buffer each time, as a file or a socket gives
        yield Buffer.from(chunk)
        if (count.given % (1024 * 1024) === 0) {
          await new Promise((resolve) => setImmediate(resolve))
          globalThis.gc!()
          peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)
        }
      }
    }
    const response = await npmFetch(provider.url, {
      method: 'PUT',
      body: ReadableStream.from(fresh()),
      duplex: 'half',
      dispatcher: through,
    })
    expect(response.status).toBe(200)
    expect(provider.received.at(-1)!.bytes).toBe(4 * big)
    return peak
  }

  it('is streamed whole, with no more of it in memory than its limit', async () => {
    provider.replies = [ok]
    const bare = new Agent()
    const bareFirst = await peakOfUpload(bare)
    const retrying = new Agent().compose(retry())
    const ours = await peakOfUpload(retrying)
    await Promise.all([bare.close(), retrying.close()])
    expect(provider.received[1]!.sha256).toBe(provider.received[0]!.sha256)
    // what bare undici has under way, the recording until it is dropped (1 MiB), and slack for one collection
    expect(ours).toBeLessThan(bareFirst + 4 * 1024 * 1024)
    expect(ours).toBeLessThan(2 * big)
  })

  it('is not retried once it was sent past the limit: the caller gets the 503 itself', async () => {
    provider.replies = [status(503, { 'x-answer': 'of the provider' }, 'busy'), ok]
    const response = await fetch(
      provider.url,
      via(patient, { method: 'PUT', body: ReadableStream.from(source({ given: 0 })), duplex: 'half' }),
    )
    expect(response.status).toBe(503)
    expect(await response.text()).toBe('busy')
    expect(provider.received).toHaveLength(1)
  })

  it('is sent from its start when the first attempt never reached the server', async () => {
    const free = await startProvider()
    const { url } = free
    await free.close()
    const count = { given: 0 }
    const refused = fetch(
      url,
      via(patient, { method: 'PUT', body: ReadableStream.from(source(count)), duplex: 'half' }),
    )
    await expect(refused).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    expect(count.given).toBeLessThanOrEqual(chunk.length * 2)
  })
})

it('a server that answers before it has the whole body gets it whole at the next attempt, and the first is cut off', async () => {
  let first: Promise<unknown> | undefined
  provider.start([ok])
  provider.onHeaders = (incoming, response) => {
    provider.onHeaders = undefined
    first = new Promise((resolve) => {
      incoming.socket.on('close', () => resolve(incoming.complete ? 'complete' : 'cut off'))
    })
    incoming.resume()
    response.writeHead(503).end('too busy to read')
    return true
  }
  const chunks = Array.from({ length: 20 }, (_none, index) => Buffer.alloc(1_000, index))
  async function* slowly(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      yield chunk
    }
  }
  const init = { method: 'PUT', body: ReadableStream.from(slowly()), duplex: 'half' }
  expect((await fetch(provider.url, via(patient, init))).status).toBe(200)
  expect(provider.received).toHaveLength(1)
  expect(provider.received[0]!.body.equals(Buffer.concat(chunks))).toBe(true)
  expect(await first).toBe('cut off')
})

it('a stream that fails in the middle of an upload is not retried and not blamed on the provider', async () => {
  provider.replies = [ok]
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half of it')
    await new Promise((resolve) => setTimeout(resolve, 20))
    throw new Error('the disk failed')
  }
  await expect(
    fetch(
      provider.url,
      via(patient, { method: 'PUT', body: ReadableStream.from(failing()), duplex: 'half' }),
    ),
  ).rejects.toThrow()
  await expect(
    request(provider.url, { method: 'PUT', body: Readable.from(failing()), dispatcher: patient }),
  ).rejects.toThrow('the disk failed')
  expect(provider.received.filter((entry) => entry.complete)).toHaveLength(0)
  expect(provider.received.length).toBeLessThanOrEqual(2)
})

describe.each<[string, (source: AsyncGenerator<Buffer>) => Readable]>([
  ['an iterable', (source) => source as unknown as Readable],
  ['a stream', (source) => Readable.from(source)],
])('%s that fails while no attempt is in hand', (_which, bodyOf) => {
  test.each<[string, Error]>([
    ['', Object.assign(new Error('the disk failed'), { code: 'ENOSPC' })],
    [' with the timeout of another call', new DOMException('too late', 'TimeoutError')],
  ])('ends its call%s at once, with its own error, and nothing is sent any more', async (_how, failure) => {
    // before the body is there
    provider.onHeaders = (_request, response) => {
      provider.received.push({} as never)
      response.writeHead(503).end()
      return true
    }
    const stack = resilience({ retry: { initialBackoffMs: 60_000, jitter: 'none' } })
    const through = new Agent().compose(stack)
    const done: CallDoneEvent[] = []
    const hear = (event: CallDoneEvent): void => void done.push(event)
    channels.callDone.subscribe(hear)
    const { promise: waits, resolve } = Promise.withResolvers<object>()
    channels.retryScheduled.subscribe(resolve)
    async function* failing(): AsyncGenerator<Buffer> {
      yield Buffer.from('half of it')
      await waits
      throw failure
    }
    const sent = request(provider.url, { method: 'PUT', body: bodyOf(failing()), dispatcher: through })
    await expect(sent).rejects.toBe(failure)
    channels.callDone.unsubscribe(hear)
    channels.retryScheduled.unsubscribe(resolve)
    expect(done).toMatchObject([{ outcome: 'cancelled', error: failure, attempts: 1 }])
    expect((await stack.deadLetters.list()).items).toEqual([])
    expect(provider.received).toHaveLength(1)
    await stack.close()
    await through.close()
  })
})

it('a stream that fails while its call waits for a connection is not sent', async () => {
  const { promise: answers, resolve: answer } = Promise.withResolvers<void>()
  provider.replies = [(_request, response) => void answers.then(() => response.end('ok'))]
  const through = new Agent({ connections: 1 }).compose(resilience())
  const first = request(provider.url, { dispatcher: through })
  await expect.poll(() => provider.received.length).toBe(1)
  const body = new Readable({ read: () => undefined })
  const second = request(provider.url, { method: 'PUT', body, dispatcher: through })
  body.destroy(new Error('the disk failed'))
  await expect(second).rejects.toThrow('the disk failed')
  answer()
  await (await first).body.dump()
  await through.close()
  expect(provider.received).toHaveLength(1)
})

it('a GET and a HEAD have no body and are tried again', async () => {
  provider.replies = [status(503), ok, status(503), ok]
  expect((await fetch(provider.url, via(patient))).status).toBe(200)
  expect((await fetch(provider.url, via(patient, { method: 'HEAD' }))).status).toBe(200)
  expect(provider.received.map((entry) => entry.bytes)).toEqual([0, 0, 0, 0])
})
