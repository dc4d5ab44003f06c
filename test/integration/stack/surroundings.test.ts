import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { createGzip, gunzipSync } from 'node:zlib'
import { Agent, type Dispatcher, interceptors, ProxyAgent, request, stream } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  circuitBreaker,
  deadLetter,
  resilience,
  ResilientHttpClient,
  retry,
  withCallOptions,
} from '../../../src/index.ts'
import { ok, type Provider, reset, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'

/** What other interceptors, hooks, sources and handlers may do to a call. Each was once a defect. */

const quick = { initialBackoffMs: 1 }
let provider: Provider
let uncaught: unknown[]
const onUncaught = (error: unknown) => void uncaught.push(error)
beforeEach(async () => {
  provider = await startProvider()
  uncaught = []
  process.on('uncaughtException', onUncaught)
  process.on('unhandledRejection', onUncaught)
})
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve))
  process.off('uncaughtException', onUncaught)
  process.off('unhandledRejection', onUncaught)
  await provider.close()
  expect(uncaught).toEqual([])
})

describe('a handler of the caller that throws', () => {
  it('at the end of a response, as undici’s own retry does, is told of an error', async () => {
    provider.start([status(503), status(503), ok])
    const dispatcher = new Agent().compose(circuitBreaker(), interceptors.retry({ minTimeout: 5 }))
    expect((await request(provider.url, { dispatcher })).statusCode).toBe(200)
    await dispatcher.close()
  })

  it.each([
    'onRequestStart',
    'onBodySent',
    'onRequestSent',
    'onResponseStart',
    'onResponseData',
    'onResponseEnd',
  ])('in %s is told of its own error once, and the provider is not blamed', async (callback) => {
    const stack = resilience({ retry: quick, circuitBreaker: { failureThreshold: 1 } })
    const dispatcher = new Agent().compose(stack)
    const errors: unknown[] = []
    await new Promise<void>((resolve) => {
      const handler: Record<string, unknown> = {
        onRequestStart: () => undefined,
        onResponseStart: () => undefined,
        onResponseData: () => undefined,
        onResponseEnd: () => resolve(),
        onResponseError: (_controller: unknown, error: unknown) => {
          errors.push(error)
          resolve()
        },
      }
      handler[callback] = () => {
        throw new Error(`thrown in ${callback}`)
      }
      dispatcher.dispatch({ origin: provider.url, path: '/', method: 'PUT', body: 'x' }, handler)
    })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(errors.map(String)).toEqual([`Error: thrown in ${callback}`])
    expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'closed', failures: 0 })
    expect((await stack.deadLetters.list()).items).toEqual([])
    await stack.close()
    await dispatcher.destroy()
  })

  it('while a held response breaks is told of its own error', async () => {
    provider.start([
      (_request, response, socket) => {
        response.writeHead(400).write('part')
        setTimeout(() => socket.destroy(), 30)
      },
    ])
    const dispatcher = new Agent().compose(
      resilience({ classify: () => undefined, inspectBody: { statusCodes: [400] } }),
    )
    const sent = stream(provider.url, { dispatcher, method: 'GET' }, () => {
      throw new Error('factory')
    })
    await expect(sent).rejects.toThrow('factory')
    await dispatcher.destroy()
  })
})

describe('an interceptor under ours', () => {
  it('that throws leaves nothing behind that is sent after the caller was told', async () => {
    let count = 0
    const flaky: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
      if (count++ === 0) throw new Error('no token')
      return dispatch(options, handler)
    }
    const stack = resilience({ attemptTimeoutMs: 30, totalTimeoutMs: 60, retry: quick })
    const dispatcher = new Agent().compose(flaky, stack)
    await expect(request(provider.url, { method: 'POST', body: 'order', dispatcher })).rejects.toThrow(
      'no token',
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(provider.received).toEqual([])
    expect(stack.circuits.state(provider.url).failures).toBe(0)
    expect((await stack.deadLetters.list()).items).toHaveLength(1)
    await dispatcher.close()
  })

  it('that makes errors of responses does not make 404s count against the provider, and 503s are retried', async () => {
    const stack = resilience({ retry: quick, circuitBreaker: { failureThreshold: 2 } })
    const dispatcher = new Agent().compose(interceptors.responseError(), stack)
    provider.start([status(404)])
    for (let call = 0; call < 4; call++) await expect(request(provider.url, { dispatcher })).rejects.toThrow()
    expect(stack.circuits.state(provider.url)).toMatchObject({ state: 'closed', failures: 0 })
    expect((await stack.deadLetters.list()).items).toEqual([])
    provider.start([status(503), ok])
    expect((await request(provider.url, { dispatcher })).statusCode).toBe(200)
    await dispatcher.close()
  })

  it('that makes errors of responses does not hide from us how long the provider asked to wait', async () => {
    const dispatcher = new Agent().compose(interceptors.responseError(), resilience({ retry: quick }))
    provider.start([status(429, { 'Retry-After-Ms': '400' }), ok])
    const { statusCode } = await request(provider.url, { method: 'POST', body: 'order', dispatcher })
    expect(statusCode).toBe(200)
    const [first, second] = provider.received.map(({ at }) => at)
    expect(second! - first!).toBeGreaterThanOrEqual(400)
    await dispatcher.close()
  })

  it('that makes a call of its own for a call gives it none of that call’s options, and does not confuse the client', async () => {
    const tokens = await startProvider()
    const inner = new Agent().compose(resilience())
    const auth: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
      void fetch(tokens.url, via(inner, { method: 'POST', body: 'grant' })).then(() =>
        dispatch(options, handler),
      )
      return true
    }
    provider.start([status(503)])
    const client = new ResilientHttpClient({
      baseUrl: provider.url,
      retry: quick,
      dispatcher: new Agent().compose(auth),
    })
    const error = (await withCallOptions({ idempotencyKey: 'order-1' }, () =>
      client.request('/', { method: 'POST', body: 'x' }),
    ).catch((failure: unknown) => failure)) as { attempts: number; deadLetterId: string }
    expect(error.attempts).toBe(5)
    expect((await client.deadLetters.list()).items.map(({ id }) => id)).toEqual([error.deadLetterId])
    expect(tokens.received.map(({ headers }) => headers['idempotency-key'])).toEqual(Array(5).fill(undefined))
    expect(provider.received.map(({ headers }) => headers['idempotency-key'])).toEqual(
      Array(5).fill('order-1'),
    )
    await client.close()
    await tokens.close()
  })
})

it('an interceptor between ours that changes the body gets it whole at every attempt', async () => {
  const gzip: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
    dispatch({ ...options, body: Readable.from(options.body as never).pipe(createGzip()) }, handler)
  const dispatcher = new Agent().compose(retry(quick), gzip, deadLetter())
  provider.start([status(503), ok])
  const body = ReadableStream.from([Buffer.from('hello '), Buffer.from('world')])
  expect((await fetch(provider.url, via(dispatcher, { method: 'PUT', body, duplex: 'half' }))).status).toBe(
    200,
  )
  expect(provider.received.map((entry) => gunzipSync(entry.body).toString())).toEqual([
    'hello world',
    'hello world',
  ])
  await dispatcher.close()
})

describe('a request', () => {
  it('whose headers can be read once has them at every attempt', async () => {
    const dispatcher = new Agent().compose(retry(quick), deadLetter())
    const headers = () =>
      new Map([
        ['authorization', 'Bearer a'],
        ['x-id', '1'],
      ]).entries()
    provider.start([status(503), ok])
    await request(provider.url, {
      method: 'PUT',
      body: Readable.from(['x']),
      headers: headers() as never,
      dispatcher,
    })
    expect(provider.received.map((entry) => [entry.headers.authorization, entry.headers['x-id']])).toEqual([
      ['Bearer a', '1'],
      ['Bearer a', '1'],
    ])
    await dispatcher.close()
  })

  it('whose source uses its buffer again is sent again as it was', async () => {
    const dispatcher = new Agent().compose(retry(quick))
    async function* reusing(): AsyncGenerator<Uint8Array> {
      const buffer = Buffer.alloc(4)
      for (const letter of 'abcd') {
        buffer.fill(letter)
        yield buffer
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    provider.start([status(503), ok])
    await request(provider.url, { method: 'PUT', body: reusing() as never, dispatcher })
    expect(provider.received.map(({ body }) => String(body))).toEqual([
      'aaaabbbbccccdddd',
      'aaaabbbbccccdddd',
    ])
    await dispatcher.close()
  })

  it('whose source throws while it is ended harms nobody', async () => {
    const dispatcher = new Agent().compose(retry(quick))
    provider.onHeaders = (_incoming, response) => {
      response.writeHead(413, { connection: 'close' }).end('too large')
      return true
    }
    function* source(): Generator<Uint8Array> {
      try {
        for (let i = 0; i < 1_000; i++) yield Buffer.alloc(100_000)
      } finally {
        throw new Error('cleanup')
      }
    }
    const sent = request(provider.url, { method: 'PUT', body: source() as never, dispatcher }).then(
      ({ statusCode }) => statusCode,
      (error: { code: string }) => error.code,
    )
    expect([413, 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']).toContain(await sent)
    await dispatcher.destroy()
  })

  it('whose source yields what cannot be sent is the caller’s fault', async () => {
    const stack = resilience({ retry: quick })
    const dispatcher = new Agent().compose(stack)
    await expect(
      request(provider.url, { method: 'PUT', body: Readable.from([1, 2]), dispatcher }),
    ).rejects.toThrow('a request body must yield strings or bytes, got number')
    expect(stack.circuits.state(provider.url).failures).toBe(0)
    await dispatcher.destroy()
  })

  it('with a stream lets go of it when it is aborted, also while it waits for the next chunk', async () => {
    const dispatcher = new Agent().compose(retry(quick))
    const source = new PassThrough()
    source.write('first')
    const controller = await new Promise<Dispatcher.DispatchController>((resolve) => {
      dispatcher.dispatch(
        { origin: provider.url, path: '/', method: 'PUT', body: source },
        {
          onRequestStart: (given) => setTimeout(() => resolve(given), 30),
          onResponseStart: () => undefined,
          onResponseError: () => undefined,
        },
      )
    })
    controller.abort(new Error('left'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(source.destroyed).toBe(true)
    await dispatcher.destroy()
  })

  it('with a stream that has ended keeps its content-length', async () => {
    const dispatcher = new Agent().compose(retry(quick))
    const source = new PassThrough()
    source.end('hello')
    await request(provider.url, { method: 'PUT', body: source, dispatcher })
    expect(provider.received[0]!.headers['content-length']).toBe('5')
    await dispatcher.close()
  })
})

describe('a hook', () => {
  const logged: object[] = []
  const logger = {
    info: () => undefined,
    warn: () => undefined,
    error: (context: object) => logged.push(context),
  }
  const thrower = () => {
    throw new Error('a bug')
  }

  it('isRetryableError that throws leaves the decision to the code', async () => {
    const dispatcher = new Agent().compose(retry({ ...quick, isRetryableError: thrower, logger }))
    provider.start([reset, ok])
    expect((await request(provider.url, { dispatcher })).statusCode).toBe(200)
    expect(logged).toContainEqual(expect.objectContaining({ hook: 'isRetryableError' }))
    await dispatcher.close()
  })

  it.each([
    ['a wait that is no number', () => ({ kind: 'transient', retryAfterMs: NaN })],
    ['a promise', () => Promise.reject(new Error('late'))],
    ['a kind that there is not', () => ({ kind: 'flaky' })],
  ])('classify that gives %s leaves the decision to the status', async (_what, classify) => {
    const dispatcher = new Agent().compose(resilience({ retry: quick, classify: classify as never, logger }))
    provider.start([status(503, { 'retry-after': '1' }), ok])
    expect((await request(provider.url, { dispatcher })).statusCode).toBe(200)
    expect(provider.received[1]!.at - provider.received[0]!.at).toBeGreaterThanOrEqual(1_000)
    expect(logged).toContainEqual(expect.objectContaining({ hook: 'classify' }))
    await dispatcher.close()
  })
})

it('a proxy that refuses the tunnel is a failure to connect, not an abort', async () => {
  const proxy = http.createServer()
  let count = 0
  proxy.on('connect', (_incoming, socket) => {
    count++
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const stack = resilience({ retry: quick })
  const agent = new ProxyAgent({
    uri: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    proxyTunnel: true,
  })
  const dispatcher = agent.compose(stack)
  await expect(request(provider.url, { method: 'POST', body: 'x', dispatcher })).rejects.toThrow(
    'Proxy response (502)',
  )
  expect(count).toBe(5)
  expect((await stack.deadLetters.list()).items[0]).toMatchObject({ delivery: 'not-sent' })
  expect(stack.circuits.state(provider.url).failures).toBe(5)
  await agent.destroy()
  proxy.close()
})

describe('ResilientHttpClient', () => {
  it('does not wait for an error body that never ends', async () => {
    provider.start([(_request, response) => void response.writeHead(400).write('{"mess')])
    const client = new ResilientHttpClient({ baseUrl: provider.url })
    await expect(client.request('/')).rejects.toMatchObject({ statusCode: 400 })
    const controller = new AbortController()
    const aborted = client.request('/', { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('left')), 50)
    await expect(aborted).rejects.toThrow('left')
    await client.close()
  })

  it('closes within its time although a response is unread', async () => {
    provider.start([(_request, response) => void response.writeHead(200).write('endless')])
    const client = new ResilientHttpClient({ baseUrl: provider.url })
    const response = await client.request('/')
    const at = performance.now()
    await client.close({ timeoutMs: 100 })
    expect(performance.now() - at).toBeLessThan(10_000)
    await response.body!.cancel()
  })

  it('sends its own headers to its base only', async () => {
    const other = await startProvider()
    const client = new ResilientHttpClient({ baseUrl: provider.url, headers: { authorization: 'Bearer a' } })
    await client.request('/')
    await client.request(other.url)
    expect(provider.received[0]!.headers.authorization).toBe('Bearer a')
    expect(other.received[0]!.headers.authorization).toBeUndefined()
    await client.close()
    await other.close()
  })

  it.each([
    ['https://a.example/v1?key=1', undefined, '`baseUrl` must have no query and no fragment'],
    ['https://a.example/v1#part', undefined, '`baseUrl` must have no query and no fragment'],
    [
      'https://a.example/v1',
      '../admin',
      '`url` must stay under `baseUrl` https://a.example/v1, got "../admin"',
    ],
    ['https://a.example/v1', new Request('https://a.example'), '`url` must be a string or a URL'],
  ])('refuses the base %s with the url %s', async (baseUrl, url, message) => {
    const call = async () => new ResilientHttpClient({ baseUrl }).request((url ?? '/') as string)
    await expect(call()).rejects.toThrow(message)
  })

  it('joins a query, an empty url, and a path with a colon', async () => {
    const client = new ResilientHttpClient({ baseUrl: `${provider.url}/v1` })
    for (const url of ['', '?x=1', 'contacts:batch', '/a?b=2']) await client.request(url)
    expect(provider.received.map(({ url }) => url)).toEqual([
      '/v1',
      '/v1?x=1',
      '/v1/contacts:batch',
      '/v1/a?b=2',
    ])
    await client.close()
  })
})
