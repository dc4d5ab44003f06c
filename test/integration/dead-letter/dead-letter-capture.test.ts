import { Readable } from 'node:stream'
import { Agent, fetch as npmFetch, FormData as UndiciFormData, request, type Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deadLetter, type DeadLetterInterceptor } from '../../../src/dead-letter/interceptor.ts'
import type { DeadLetter } from '../../../src/dead-letter/record/record.ts'
import { resilience } from '../../../src/resilience.ts'
import { retry } from '../../../src/retry/interceptor.ts'
import { channels, type DeadLetterCapturedEvent } from '../../../src/telemetry/channels.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { placements } from '../../support/calls/placements.ts'
import {
  ok,
  type Provider,
  reset,
  sha256,
  silence,
  startProvider,
  status,
} from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

const text = 'Ünïcode body ' + 'x'.repeat(5000)
const bytes = Buffer.from(text)
const chunks = [bytes.subarray(0, 9), bytes.subarray(9, 3000), bytes.subarray(3000)]

const bodies: Record<string, () => unknown> = {
  string: () => text,
  Buffer: () => Buffer.from(bytes),
  Blob: () => new Blob([bytes]),
  ReadableStream: () => ReadableStream.from(chunks),
  'async iterable': async function* () {
    for (const chunk of chunks) {
      await new Promise((resolve) => setImmediate(resolve))
      yield chunk
    }
  },
  'Node stream': () => Readable.from(chunks),
}
const senders: Record<string, (url: string, body: unknown, dispatcher: Dispatcher) => Promise<unknown>> = {
  'built-in fetch': async (url, body, dispatcher) =>
    (await fetch(url, via(dispatcher, { method: 'POST', body, duplex: 'half' }))).text(),
  'npm fetch': async (url, body, dispatcher) =>
    (await npmFetch(url, { method: 'POST', body: body as never, duplex: 'half', dispatcher })).text(),
  'undici.request': async (url, body, dispatcher) =>
    (await request(url, { method: 'POST', body: body as never, dispatcher })).body.text(),
}

let provider: Provider
let agent: Agent
let letters: DeadLetterInterceptor
beforeEach(async () => {
  provider = await startProvider(
    status(503, { 'x-request-id': 'r-1', 'set-cookie': 's=1' }, '{"busy":true,"token":"t0p"}'),
  )
  agent = new Agent()
  letters = deadLetter({ integration: 'crm' })
})
afterEach(async () => {
  await letters.close()
  await agent.destroy()
  await provider.close()
})

async function captured(from: DeadLetterInterceptor = letters): Promise<DeadLetter> {
  expect(await from.flush()).toBe(true)
  const { items } = await from.deadLetters.list()
  expect(items).toHaveLength(1)
  return (await from.deadLetters.get(items[0]!.id))!
}

async function nothingCaptured(): Promise<void> {
  expect(await letters.flush()).toBe(true)
  expect((await letters.deadLetters.list()).items).toEqual([])
}

const refusal: Dispatcher.DispatcherComposeInterceptor = () => (_options, handler) => {
  const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
  queueMicrotask(() => handler.onResponseError?.(undefined as never, error))
  return true
}

describe.each(placements)('bodies in dead letters, %s', (_where, above) => {
  const compose = (...layers: Dispatcher.DispatcherComposeInterceptor[]): Dispatcher =>
    agent.compose(...layers, ...above)

  for (const [sender, send] of Object.entries(senders)) {
    for (const [kind, body] of Object.entries(bodies)) {
      it(`keeps a ${kind} of ${sender} byte for byte after a final 503`, async () => {
        expect(await send(provider.url, body(), compose(letters))).toBe('{"busy":true,"token":"t0p"}')
        const entry = await captured()
        expect(entry.replayable).toBe(true)
        expect(Buffer.from(entry.request.body!).equals(bytes)).toBe(true)
        expect(entry.request.sha256).toBe(sha256(bytes))
        expect(provider.received[0]!.sha256).toBe(sha256(bytes))
      })

      it(`keeps a ${kind} of ${sender} byte for byte after a reset`, async () => {
        provider.replies = [reset]
        await expect(send(provider.url, body(), compose(letters))).rejects.toThrow()
        const entry = await captured()
        expect(Buffer.from(entry.request.body!).equals(bytes)).toBe(true)
        expect(entry.delivery).toBe('unknown')
      })

      it(`keeps a ${kind} of ${sender} whole when nothing was sent`, async () => {
        await expect(send('http://crm.test', body(), compose(refusal, letters))).rejects.toThrow()
        const entry = await captured()
        expect(Buffer.from(entry.request.body!).equals(bytes)).toBe(true)
        expect(entry).toMatchObject({ delivery: 'not-sent', replayable: true })
      })
    }
  }

  for (const [sender, FormDataClass] of [
    ['built-in fetch', FormData],
    ['undici.request', UndiciFormData],
  ] as const) {
    it(`keeps a form of ${sender} as it was sent, with its boundary`, async () => {
      const form = new FormDataClass() as FormData
      form.append('file', new Blob([bytes]), 'a.txt')
      await senders[sender]!(provider.url, form, compose(letters))
      const entry = await captured()
      expect(sha256(entry.request.body!)).toBe(provider.received[0]!.sha256)
      expect(entry.request.headers['content-type']).toBe(provider.received[0]!.headers['content-type'])
    })
  }

  it('keeps the buffer as it was sent, though the caller reuses it afterwards', async () => {
    const buffer = Buffer.from(bytes)
    const response = await request(provider.url, {
      method: 'POST',
      body: buffer,
      dispatcher: compose(letters),
    })
    buffer.fill(0)
    await response.body.dump()
    expect(Buffer.from((await captured()).request.body!).equals(bytes)).toBe(true)
  })

  it('says that a body over the limit cannot be replayed', async () => {
    letters = deadLetter({ maxBodyBytes: 1000 })
    await senders['built-in fetch']!(provider.url, text, compose(letters))
    const entry = await captured(letters)
    expect(entry).toMatchObject({
      replayable: false,
      notReplayableReason: 'body-too-large',
      status: 'quarantined',
    })
    expect(entry.request.body).toBeUndefined()
  })

  it('never calls a stream complete that had not ended when the call failed', async () => {
    const endless = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('only the start')),
    })
    const began = performance.now()
    await expect(
      senders['built-in fetch']!('http://crm.test', endless, compose(refusal, letters)),
    ).rejects.toThrow()
    expect(performance.now() - began).toBeLessThan(5_000)
    const entry = await captured()
    expect(entry).toMatchObject({ replayable: false, notReplayableReason: 'body-incomplete' })
  })

  it('hears an abort while it reads the rest of a body, and captures nothing', async () => {
    const abort = new AbortController()
    const endless = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('only the start')),
    })
    const telling: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
      setTimeout(() => {
        dispatch(options, handler)
        setTimeout(() => abort.abort(new Error('changed my mind')), 5)
      }, 1)
      return true
    }
    const init = { method: 'POST', body: endless, duplex: 'half', signal: abort.signal }
    // the refusal comes at once; until the body is read, the call is still the caller's to abort
    const call = fetch('http://crm.test', via(compose(refusal, letters, telling), init))
    await expect(call).rejects.toThrow('changed my mind')
    await nothingCaptured()
  })

  it('never calls a stream complete that the caller aborted after an early answer', async () => {
    provider.onHeaders = (_request, response) => {
      response.writeHead(503).write('early')
      return true
    }
    const abort = new AbortController()
    const endless = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('only the start')),
    })
    const response = await fetch(
      provider.url,
      via(compose(letters), { method: 'POST', body: endless, duplex: 'half', signal: abort.signal }),
    )
    expect(response.status).toBe(503)
    abort.abort()
    await expect(response.text()).rejects.toThrow()
    const entry = await captured()
    expect(entry).toMatchObject({ replayable: false, notReplayableReason: 'body-incomplete' })
  })
})

describe.each(placements)('what is captured, %s', (_where, above) => {
  const compose = (...layers: Dispatcher.DispatcherComposeInterceptor[]): Dispatcher =>
    agent.compose(...layers, ...above)

  it('keeps the whole story of a call that used up its attempts', async () => {
    const events: DeadLetterCapturedEvent[] = []
    const listener = (event: DeadLetterCapturedEvent): number => events.push(event)
    channels.deadLetterCaptured.subscribe(listener)
    const stack = compose(retry({ maxAttempts: 3, initialBackoffMs: 1 }), letters)
    const at = Date.now()
    const response = await withCallOptions(
      { idempotencyKey: 'key-7', labels: { tenant: 'acme' }, orderingKey: 'contact-1' },
      () =>
        fetch(
          `${provider.url}/contacts?limit=5&api_key=s3cret`,
          via(stack, {
            method: 'POST',
            body: '{"name":"Ada"}',
            headers: {
              authorization: 'Bearer s3cret',
              cookie: 'sid=s3cret',
              'content-type': 'application/json',
              traceparent: '00-aa-bb-01',
              'x-tenant': 'acme',
            },
          }),
        ),
    )
    expect(response.status).toBe(503)
    expect(await response.text()).toBe('{"busy":true,"token":"t0p"}')
    const entry = await captured()
    channels.deadLetterCaptured.unsubscribe(listener)
    expect(entry).toMatchObject({
      integration: 'crm',
      reason: 'exhausted',
      delivery: 'responded',
      retryCount: 2,
      request: {
        method: 'POST',
        url: `${provider.url}/contacts?limit=5&api_key=[redacted]`,
        redactedQuery: ['api_key'],
        bytes: 14,
      },
      response: { statusCode: 503, body: '{"busy":true,"token":"[redacted]"}' },
      error: { name: 'HttpStatus', code: 'ERR_HTTP_STATUS' },
      idempotencyKey: 'key-7',
      idempotencyHeader: 'idempotency-key',
      orderingKey: 'contact-1',
      traceparent: '00-aa-bb-01',
      replayable: true,
      status: 'pending',
    })
    expect({ ...entry.labels }).toEqual({ tenant: 'acme' })
    expect(entry.history.map((attempt) => attempt.statusCode)).toEqual([503, 503, 503])
    expect(entry.firstAttemptAt).toBeGreaterThanOrEqual(at - 1)
    expect(entry.timestamp).toBeGreaterThanOrEqual(entry.history[2]!.at)
    expect(entry.request.omittedHeaders).toEqual(
      expect.arrayContaining(['authorization', 'cookie', 'x-tenant']),
    )
    expect(entry.response!.headers['x-request-id']).toBe('r-1')
    expect(JSON.stringify(entry)).not.toContain('s3cret')
    expect(events).toMatchObject([
      { id: entry.id, integration: 'crm', reason: 'exhausted', attempts: 3, statusCode: 503 },
    ])
    expect(JSON.stringify(events)).not.toContain('s3cret')
  })

  it.each([
    ['a refused HTTP/2 stream', { code: 'ERR_HTTP2_STREAM_ERROR', http2ErrorCode: 7 }, 'not-sent'],
    ['a connection that never stood', { code: 'ETIMEDOUT', syscall: 'connect' }, 'not-sent'],
    ['a reset', { code: 'ECONNRESET', syscall: 'read' }, 'unknown'],
  ])('says of %s in all attempts whether it may have arrived', async (_what, facts, delivery) => {
    const failing: Dispatcher.DispatcherComposeInterceptor = () => (_options, handler) => {
      queueMicrotask(() =>
        handler.onResponseError?.(undefined as never, Object.assign(new Error('failed'), facts)),
      )
      return true
    }
    const stack = compose(failing, retry({ maxAttempts: 3, initialBackoffMs: 1 }), letters)
    await expect(fetch(provider.url, via(stack, { method: 'PUT', body: 'x' }))).rejects.toThrow()
    const entry = await captured()
    expect(entry.delivery).toBe(delivery)
    expect(entry.retryCount).toBe(2)
  })

  it('captures what an open circuit refused, and puts the id on the error', async () => {
    const stack = resilience({
      integration: 'crm',
      retry: false,
      circuitBreaker: { failureThreshold: 1, timeoutMs: 60_000, maxWaitMs: 0 },
    })
    const dispatcher = compose(stack)
    await fetch(provider.url, via(dispatcher))
    const error = (await fetch(provider.url, via(dispatcher, { method: 'POST', body: 'order' })).catch(
      (cause: unknown) => cause,
    )) as TypeError & { cause: { code: string; deadLetterId: string } }
    expect(error.cause.code).toBe('ERR_CIRCUIT_OPEN')
    const store = stack.deadLetters
    await expect.poll(async () => (await store.stats()).total).toBe(2)
    const entry = (await store.get(error.cause.deadLetterId))!
    expect(entry).toMatchObject({
      reason: 'circuit-open',
      delivery: 'not-sent',
      attempts: 0,
      history: [],
      retryCount: 0,
      replayable: true,
    })
    expect(Buffer.from(entry.request.body!).toString()).toBe('order')
    await stack.close()
  })

  it('captures the total timeout as deadline, and an unsafe failure as not retryable', async () => {
    provider.replies = [silence]
    const slow = resilience({ totalTimeoutMs: 60 })
    await expect(fetch(provider.url, via(compose(slow)))).rejects.toThrow()
    await expect.poll(async () => (await slow.deadLetters.list()).items[0]?.reason).toBe('deadline')
    provider.replies = [reset]
    const unsafe = resilience()
    await expect(fetch(provider.url, via(compose(unsafe), { method: 'POST', body: 'x' }))).rejects.toThrow()
    await expect.poll(async () => (await unsafe.deadLetters.list()).items[0]?.reason).toBe('not-repeatable')
    await Promise.all([slow.close(), unsafe.close()])
  })

  it('does not capture success, other 4xx, cancellations, or a success whose body breaks', async () => {
    const dispatcher = compose(letters)
    provider.replies = [ok, status(404), status(422)]
    for (let i = 0; i < 3; i++) await (await fetch(provider.url, via(dispatcher))).text()
    provider.replies = [silence]
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 20)
    await expect(fetch(provider.url, via(dispatcher, { signal: abort.signal }))).rejects.toThrow()
    provider.replies = [
      (_request, response, socket): void => {
        response.writeHead(200).write('half')
        setTimeout(() => socket.destroy(), 10)
      },
    ]
    await expect((await fetch(provider.url, via(dispatcher))).text()).rejects.toThrow()
    await nothingCaptured()
  })

  it('does not capture a call that says so, and captures what the hook wants', async () => {
    await withCallOptions({ deadLetter: false }, () => fetch(provider.url, via(compose(letters))))
    await nothingCaptured()
    provider.replies = [status(503), status(404), status(503)]
    const chosen = deadLetter({
      capture: (outcome, byDefault) =>
        !byDefault && outcome.kind === 'response' && outcome.statusCode === 404,
    })
    for (let i = 0; i < 2; i++) await fetch(provider.url, via(compose(chosen)))
    expect((await captured(chosen)).response!.statusCode).toBe(404)
    await chosen.close()
  })

  it('captures a success too, where the hook wants it or `classify` says that it is none', async () => {
    provider.start([status(200)])
    const all = deadLetter({ capture: () => true })
    await (await fetch(provider.url, via(compose(all)))).text()
    expect((await captured(all)).response!.statusCode).toBe(200)
    await all.close()
    const stack = resilience({ classify: () => ({ kind: 'transient' }), retry: false })
    await (await fetch(provider.url, via(compose(stack)))).text()
    const { items } = await stack.deadLetters.list()
    expect(items).toMatchObject([{ response: { statusCode: 200 } }])
    await stack.close()
  })

  it('goes by the default when the hook throws', async () => {
    const logged: object[] = []
    const log = (context: object): number => logged.push(context)
    const chosen = deadLetter({
      capture: () => {
        throw new Error('a bug in the hook')
      },
      logger: { info: log, warn: log, error: log },
    })
    expect((await fetch(provider.url, via(compose(chosen)))).status).toBe(503)
    await captured(chosen)
    expect(logged).toEqual(expect.arrayContaining([expect.objectContaining({ hook: 'capture' })]))
    await chosen.close()
  })

  it('keeps the start of a long response, which the caller gets whole', async () => {
    const long = 'y'.repeat(100_000)
    provider.replies = [status(500, { 'content-type': 'text/plain' }, long)]
    const response = await fetch(provider.url, via(compose(letters)))
    expect(await response.text()).toBe(long)
    const entry = await captured()
    expect(entry.response).toMatchObject({ body: long.slice(0, 8192), truncated: true })
  })

  it('keeps a short response whole', async () => {
    const response = await fetch(provider.url, via(compose(letters)))
    await response.text()
    expect((await captured()).response!.truncated).toBeUndefined()
  })

  it('does not wait for a response body that never ends', async () => {
    provider.replies = [(_request, response): void => void response.writeHead(503).write('still coming')]
    const response = await fetch(provider.url, via(compose(letters)))
    expect((await captured()).response).toMatchObject({ body: 'still coming', truncated: true })
    await response.body!.cancel()
  })

  it('captures nothing after close, and calls go on', async () => {
    await letters.close()
    expect((await fetch(provider.url, via(compose(letters)))).status).toBe(503)
    expect((await letters.deadLetters.list()).items).toEqual([])
  })

  it('leaves a shared Error object as it is', async () => {
    const shared = Object.assign(new Error('one for all'), { code: 'ECONNRESET' })
    const failing: Dispatcher.DispatcherComposeInterceptor = () => (_options, handler) => {
      queueMicrotask(() => handler.onResponseError?.(undefined as never, shared))
      return true
    }
    await expect(request('http://crm.test', { dispatcher: compose(failing, letters) })).rejects.toBe(shared)
    await captured()
    expect(Object.keys(shared)).toEqual(['code'])
  })
})

describe('bad options', () => {
  it.each([
    [{ maxBodyBytes: -1 }, '`maxBodyBytes` must be an integer >= 0 and <= 67108864, got -1'],
    [{ maxBodyBytes: '1' }, '`maxBodyBytes` must be an integer >= 0 and <= 67108864, got "1"'],
    [{ maxResponseBytes: 1.5 }, '`maxResponseBytes` must be an integer'],
    [{ capture: 1 }, '`capture` must be a function, got 1'],
    [{ onDrop: 'x' }, '`onDrop` must be a function, got "x"'],
    [{ orderingKey: 'x' }, '`orderingKey` must be a function, got "x"'],
    [{ labels: { a: 1 } }, '`labels.a` must be a string, got 1'],
    [{ redact: { header: [] } }, '`redact` has no option `header`'],
    [{ redact: { headers: 'x' } }, '`redact.headers` must be an array, got "x"'],
    [{ redact: { body: [1] } }, '`redact.body[0]` must be a non-empty string, got 1'],
    [{ seal: { current: 'a', keys: {} } }, '`seal.current` must be the id of one of `seal.keys`, got "a"'],
    [{ seal: { current: 'a', keys: { a: 'short' } } }, '`seal.keys.a` must be 32 bytes, got 3'],
    [{ spool: {} }, '`spool` must be a DeadLetterStore, got a value without `add`'],
    [{ spool: { deadLetters: {} } }, 'did you mean its `deadLetters`?'],
    [{ maxQueued: 0 }, '`maxQueued` must be an integer >= 1, got 0'],
    [{ maxQueuedBytes: 1 }, '`maxQueuedBytes` must be an integer >= 1024, got 1'],
    [{ storeTimeoutMs: 0 }, '`storeTimeoutMs` must be an integer >= 1'],
    [{ integration: '' }, '`integration` must be a non-empty string, got ""'],
    [{ maxbodybytes: 1 }, '`deadLetter` has no option `maxbodybytes`'],
    [{ store: { deadLetters: {} } }, '`store.deadLetters` must be a DeadLetterStore'],
  ])('refuses %j', (options, message) => {
    expect(() => deadLetter(options as never)).toThrow(message)
  })
})
