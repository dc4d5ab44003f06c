import { Readable } from 'node:stream'
import { fetch as npmFetch, FormData as UndiciFormData, Agent, type Dispatcher, request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { retry } from '../../src/retry/interceptor.ts'
import { timeout } from '../../src/timeout/interceptor.ts'
import {
  ok,
  type Provider,
  type Reply,
  reset,
  sha256,
  silence,
  startProvider,
  status,
} from '../support/provider.ts'
import { via } from '../support/via.ts'

const text = 'Ünïcode body ' + 'x'.repeat(2_000)
const bytes = Buffer.from(text)
const parts = [bytes.subarray(0, 7), bytes.subarray(7, 900), bytes.subarray(900)]

function form(FormDataClass: typeof FormData): FormData {
  const data = new FormDataClass()
  data.append('field "quoted"', 'line\nbreak')
  data.append('file', new Blob([bytes], { type: 'text/plain' }), 'näme.txt')
  return data
}

const bodies: Record<string, () => unknown> = {
  string: () => text,
  Buffer: () => Buffer.from(bytes),
  URLSearchParams: () => new URLSearchParams({ a: '1', b: text }),
  Blob: () => new Blob([bytes]),
  FormData: () => form(FormData),
  ReadableStream: () => ReadableStream.from(parts),
  'async iterable': async function* () {
    for (const part of parts) {
      await Promise.resolve()
      yield part
    }
  },
  'Node stream': () => Readable.from(parts),
}

interface Result {
  status: number
}
type Send = (url: string, body: unknown, dispatcher: Dispatcher) => Promise<Result>

const senders: Record<string, Send> = {
  'built-in fetch': (url, body, dispatcher) =>
    fetch(url, via(dispatcher, { method: 'PUT', body, duplex: 'half' })),
  'npm fetch': (url, body, dispatcher) =>
    npmFetch(url, { method: 'PUT', body: body as never, duplex: 'half', dispatcher }),
  'undici.request': async (url, body, dispatcher) => {
    const response = await request(url, { method: 'PUT', body: body as never, dispatcher })
    await response.body.dump()
    return { status: response.statusCode }
  },
}

/** Cuts the connection at the headers, before the body can have been read. */
function resetAtHeaders(provider: Provider): void {
  provider.onHeaders = (incoming) => {
    provider.onHeaders = undefined
    incoming.socket.resetAndDestroy()
    return true
  }
}

const faults: Record<string, { replies: Reply[]; arrange?: (provider: Provider) => void; seen: number }> = {
  'a 503': { replies: [status(503), ok], seen: 2 },
  'a reset before the body was sent': { replies: [ok], arrange: resetAtHeaders, seen: 1 },
  'a reset after the body was sent': { replies: [reset, ok], seen: 2 },
  'a timeout': { replies: [silence, ok], seen: 2 },
}

let provider: Provider
let dispatcher: Dispatcher
beforeEach(async () => {
  provider = await startProvider()
  dispatcher = new Agent().compose(timeout({ ms: 300 }), retry({ initialBackoffMs: 1 }))
})
afterEach(async () => {
  await dispatcher.close()
  await provider.close()
})

describe.each(Object.keys(senders))('through %s', (sender) => {
  describe.each(Object.keys(faults))('after %s', (fault) => {
    it.each(Object.keys(bodies))('a %s body is sent again whole', async (kind) => {
      const { replies, arrange, seen } = faults[fault]!
      provider.replies = replies
      arrange?.(provider)
      const body =
        kind === 'FormData' && sender !== 'built-in fetch'
          ? form(UndiciFormData)
          : kind === 'URLSearchParams' && sender === 'undici.request'
            ? String(bodies[kind]!())
            : bodies[kind]!()
      const result = await senders[sender]!(provider.url, body, dispatcher)
      expect(result.status).toBe(200)
      const whole = provider.received.filter((entry) => entry.complete)
      expect(whole.length).toBe(seen)
      expect(new Set(whole.map((entry) => entry.sha256)).size).toBe(1)
      const last = whole.at(-1)!
      if (kind === 'FormData') {
        // parsed by another implementation than the one that wrote it
        const parsed = await new Response(last.body as never, {
          headers: { 'content-type': last.headers['content-type']! },
        }).formData()
        expect(parsed.get('field "quoted"')).toBe('line\r\nbreak')
        expect(await (parsed.get('file') as File).text()).toBe(text)
        expect((parsed.get('file') as File).name).toBe('näme.txt')
      } else if (kind === 'URLSearchParams') {
        expect(new URLSearchParams(last.body.toString()).get('b')).toBe(text)
      } else {
        expect(last.sha256).toBe(sha256(bytes))
      }
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
      via(dispatcher, { method: 'PUT', body: ReadableStream.from(source({ given: 0 })), duplex: 'half' }),
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
      via(dispatcher, { method: 'PUT', body: ReadableStream.from(source(count)), duplex: 'half' }),
    )
    await expect(refused).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    expect(count.given).toBeLessThanOrEqual(chunk.length * 2)
  })
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
      via(dispatcher, { method: 'PUT', body: ReadableStream.from(failing()), duplex: 'half' }),
    ),
  ).rejects.toThrow()
  await expect(
    request(provider.url, { method: 'PUT', body: Readable.from(failing()), dispatcher }),
  ).rejects.toThrow('the disk failed')
  expect(provider.received.filter((entry) => entry.complete)).toHaveLength(0)
  expect(provider.received.length).toBeLessThanOrEqual(2)
})

it('a GET and a HEAD have no body and are tried again', async () => {
  provider.replies = [status(503), ok, status(503), ok]
  expect((await fetch(provider.url, via(dispatcher))).status).toBe(200)
  expect((await fetch(provider.url, via(dispatcher, { method: 'HEAD' }))).status).toBe(200)
  expect(provider.received.map((entry) => entry.bytes)).toEqual([0, 0, 0, 0])
})
