import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import {
  fetch as npmFetch,
  FormData as UndiciFormData,
  type Dispatcher,
  request,
  setGlobalDispatcher,
} from 'undici'
import { ok, type Provider, type Reply, reset, sha256, silence, status } from './provider.ts'
import { via } from './via.ts'

/** Every kind of body, through every way to send it, after every fault: it must be sent again whole. */

const text = 'Ünïcode body ' + 'x'.repeat(2_000)
const bytes = Buffer.from(text)
const parts = [bytes.subarray(0, 7), bytes.subarray(7, 900), bytes.subarray(900)]

function form(FormDataClass: typeof FormData): FormData {
  const data = new FormDataClass()
  data.append('field "quoted"', 'line\nbreak')
  data.append('file', new Blob([bytes], { type: 'text/plain' }), 'näme.txt')
  return data
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await Promise.resolve()
    yield part
  }
}

const makers: Record<string, (sender: string) => unknown> = {
  string: () => text,
  Buffer: () => Buffer.from(bytes),
  URLSearchParams: (sender) => {
    const params = new URLSearchParams({ a: '1', b: text })
    // undici.request takes no URLSearchParams: its users send the string
    return sender === 'undici.request' ? String(params) : params
  },
  Blob: () => new Blob([bytes]),
  FormData: (sender) =>
    form(sender.startsWith('built-in') ? FormData : (UndiciFormData as unknown as typeof FormData)),
  ReadableStream: () => ReadableStream.from(parts),
  'async iterable': pieces,
  'Node stream': () => Readable.from(parts),
}

type Send = (url: string, body: unknown, dispatcher: Dispatcher) => Promise<number>

const senders: Record<string, Send> = {
  'built-in fetch': async (url, body, dispatcher) =>
    (await fetch(url, via(dispatcher, { method: 'PUT', body, duplex: 'half' }))).status,
  'built-in fetch, global dispatcher': async (url, body, dispatcher) => {
    setGlobalDispatcher(dispatcher)
    return (await fetch(url, { method: 'PUT', body, duplex: 'half' } as RequestInit)).status
  },
  'npm fetch': async (url, body, dispatcher) =>
    (await npmFetch(url, { method: 'PUT', body: body as never, duplex: 'half', dispatcher })).status,
  'undici.request': async (url, body, dispatcher) => {
    const response = await request(url, { method: 'PUT', body: body as never, dispatcher })
    await response.body.dump()
    return response.statusCode
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

export const senderNames = Object.keys(senders)
export const faultNames = Object.keys(faults)
export const bodyNames = Object.keys(makers)

/**
 * Sends one body through one fault; throws unless it succeeded and the server saw the same bytes every time.
 * `dispatcher` must retry quickly and time an attempt out.
 */
export async function checkBody(
  { sender, fault, kind }: { sender: string; fault: string; kind: string },
  provider: Provider,
  dispatcher: Dispatcher,
): Promise<void> {
  const { replies, arrange, seen } = faults[fault]!
  provider.start(replies)
  arrange?.(provider)
  assert.equal(await senders[sender]!(provider.url, makers[kind]!(sender), dispatcher), 200)
  const whole = provider.received.filter((entry) => entry.complete)
  assert.equal(whole.length, seen)
  assert.equal(new Set(whole.map((entry) => entry.sha256)).size, 1)
  const last = whole.at(-1)!
  if (kind === 'FormData') {
    // parsed by another implementation than the one that wrote it
    const parsed = await new Response(last.body as never, {
      headers: { 'content-type': last.headers['content-type']! },
    }).formData()
    assert.equal(parsed.get('field "quoted"'), 'line\r\nbreak')
    assert.equal(await (parsed.get('file') as File).text(), text)
    assert.equal((parsed.get('file') as File).name, 'näme.txt')
  } else if (kind === 'URLSearchParams') {
    assert.equal(new URLSearchParams(last.body.toString()).get('b'), text)
  } else {
    assert.equal(last.sha256, sha256(bytes))
  }
}
