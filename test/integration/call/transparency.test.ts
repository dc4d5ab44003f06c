import http from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import {
  Agent,
  type Dispatcher,
  fetch as npmFetch,
  interceptors,
  MockAgent,
  ProxyAgent,
  request,
  WebSocket,
} from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { retry } from '../../../src/retry/interceptor.ts'
import { timeout } from '../../../src/timeout/interceptor.ts'
import { ok, type Provider, startProvider, status } from '../../support/calls/provider.ts'
import { via } from '../../support/calls/via.ts'
import { selfSigned } from '../../support/servers/certificate.ts'

const quick = { initialBackoffMs: 1 }
let provider: Provider
let dispatcher: Dispatcher
beforeEach(async () => {
  provider = await startProvider()
  dispatcher = new Agent().compose(timeout({ ms: 5_000 }), retry(quick), timeout({ ms: 10_000 }))
})
afterEach(async () => {
  // a MockAgent has no destroy; some tests have closed theirs
  await dispatcher
    .close()
    .catch((error: unknown) => expect(error).toMatchObject({ code: 'UND_ERR_DESTROYED' }))
  await provider.close()
})

describe('what the server sent reaches the caller', () => {
  it('with trailers', async () => {
    provider.replies = [
      status(503),
      (_request, response) => {
        response.writeHead(200, { trailer: 'x-sum' })
        response.write('body')
        response.addTrailers({ 'x-sum': '42' })
        response.end()
      },
    ]
    const response = await request(provider.url, { dispatcher })
    expect(await response.body.text()).toBe('body')
    expect(response.trailers).toEqual({ 'x-sum': '42' })
  })

  it('with informational responses before the final one', async () => {
    provider.replies = [
      (_request, response) => {
        response.writeEarlyHints({ link: '</a.css>; rel=preload' })
        response.end('final')
      },
    ]
    const infos: number[] = []
    const response = await request(provider.url, {
      dispatcher,
      onInfo: ({ statusCode }) => infos.push(statusCode),
    })
    expect(await response.body.text()).toBe('final')
    expect(infos).toEqual([103])
  })

  it('decoded and redirected by npm fetch and by built-in fetch', async () => {
    provider.replies = [
      status(302, { location: '/next' }),
      status(503),
      (_request, response) =>
        void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('zipped')),
    ]
    const response = await npmFetch(provider.url, { dispatcher })
    expect(response.redirected).toBe(true)
    expect(await response.text()).toBe('zipped')

    provider.replies = [ok, ok, ok, ...provider.replies]
    const builtIn = await fetch(provider.url, via(dispatcher))
    expect(await builtIn.text()).toBe('zipped')
    expect(builtIn.url).toBe(`${provider.url}/next`)
  })

  it('with backpressure: a caller that does not read stops the server', async () => {
    let written = 0
    provider.replies = [
      status(503),
      (_request, response) => {
        const chunk = Buffer.alloc(65_536)
        const more = (): void => {
          while (written < 200_000_000) {
            written += chunk.length
            if (!response.write(chunk)) {
              response.once('drain', more)
              return
            }
          }
        }
        more()
      },
    ]
    const response = await npmFetch(provider.url, { dispatcher })
    const reader = response.body!.getReader()
    await reader.read()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(written).toBeLessThan(20_000_000)
    const before = written
    for (let i = 0; i < 300; i++) await reader.read()
    expect(written).toBeGreaterThan(before)
    await reader.cancel()
  })

  it('cut short, when the connection breaks in the body: not as a retry, since the caller has begun to read', async () => {
    provider.replies = [
      (_request, response, socket) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('half')
        setTimeout(() => socket.destroy(), 10)
      },
      ok,
    ]
    const response = await npmFetch(provider.url, { dispatcher })
    await expect(response.text()).rejects.toThrow('terminated')
    expect(provider.received).toHaveLength(1)
  })

  it('with the redirect history that an interceptor under ours gathered', async () => {
    provider.replies = [status(302, { location: '/next' }), ok]
    dispatcher = new Agent().compose(interceptors.redirect({ maxRedirections: 2 }), retry(quick))
    const { context } = await request(provider.url, { dispatcher })
    expect((context as { history: URL[] }).history.map(String)).toContain(`${provider.url}/`)
  })
})

describe('what is not a plain request passes through', () => {
  it('a CONNECT, with its socket', async () => {
    const server = http.createServer()
    server.on('connect', (_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.on('error', () => undefined)
      socket.end('tunnel')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { socket } = await dispatcher.connect({ origin, path: 'example.com:443' })
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toBe('tunnel')
    server.close()
  })

  it('an upgrade to WebSocket, from npm undici', async () => {
    const server = http.createServer()
    server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { dispatcher })
    const closed = await new Promise<boolean>((resolve) => {
      socket.addEventListener('error', () => resolve(true))
      socket.addEventListener('open', () => resolve(false))
    })
    expect(closed).toBe(true)
    server.close()
  })

  it('a request through a ProxyAgent', async () => {
    const proxy = http.createServer((incoming, response) => {
      const target = new URL(incoming.url!)
      incoming.pipe(
        http.request(target, { method: incoming.method, headers: incoming.headers }, (answer) => {
          response.writeHead(answer.statusCode!, answer.headers)
          answer.pipe(response)
        }),
      )
    })
    proxy.on('connect', (incoming, socket) => {
      const [host, port] = incoming.url!.split(':')
      const target = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        target.pipe(socket).pipe(target)
      })
      target.on('error', () => socket.destroy())
      socket.on('error', () => target.destroy())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    provider.replies = [status(503), ok]
    dispatcher = new ProxyAgent(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`).compose(
      retry(quick),
    )
    const response = await fetch(provider.url, via(dispatcher, { method: 'PUT', body: 'through' }))
    expect(response.status).toBe(200)
    expect(provider.received.map((entry) => String(entry.body))).toEqual(['through', 'through'])
    await dispatcher.destroy()
    proxy.closeAllConnections()
    proxy.close()
  })
})

it('HTTP/2 requests are retried, with the headers that the server sent', async () => {
  const { key, cert } = await selfSigned()
  let count = 0
  const bodies: string[] = []
  const server = http2.createSecureServer({ key, cert })
  server.on('stream', (stream) => {
    let text = ''
    stream.on('data', (chunk: Buffer) => (text += String(chunk)))
    stream.on('end', () => {
      bodies.push(text)
      stream.respond({ ':status': ++count === 1 ? 503 : 200, 'x-count': String(count) })
      stream.end('over h2')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  dispatcher = new Agent({ allowH2: true, connect: { rejectUnauthorized: false } }).compose(retry(quick))
  const response = await npmFetch(url, { method: 'PUT', body: 'payload', dispatcher })
  expect(response.status).toBe(200)
  expect(response.headers.get('x-count')).toBe('2')
  expect(await response.text()).toBe('over h2')
  expect(bodies).toEqual(['payload', 'payload'])
  await dispatcher.destroy()
  server.close()
})

describe('with MockAgent', () => {
  it('retries through compose, and the caller gets the last answer', async () => {
    const mock = new MockAgent()
    mock.disableNetConnect()
    const pool = mock.get('https://api.example.com')
    pool.intercept({ path: '/a', method: 'GET' }).reply(503, 'down').times(2)
    pool.intercept({ path: '/a', method: 'GET' }).reply(200, 'up')
    dispatcher = mock.compose(retry(quick))
    const response = await npmFetch('https://api.example.com/a', { dispatcher })
    expect(await response.text()).toBe('up')
    mock.assertNoPendingInterceptors()
  })

  it('does not repeat a POST after a mocked reset', async () => {
    const mock = new MockAgent()
    mock.disableNetConnect()
    const pool = mock.get('https://api.example.com')
    pool
      .intercept({ path: '/a', method: 'POST' })
      .replyWithError(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    dispatcher = mock.compose(retry(quick))
    await expect(
      npmFetch('https://api.example.com/a', { method: 'POST', body: 'x', dispatcher }),
    ).rejects.toMatchObject({
      cause: { code: 'ECONNRESET' },
    })
  })
})

it('a dispatcher that was closed fails a call at once, also in the middle of its retries', async () => {
  await dispatcher.close()
  await expect(fetch(provider.url, via(dispatcher))).rejects.toMatchObject({
    cause: { code: 'UND_ERR_DESTROYED' },
  })

  provider.replies = [status(503)]
  const agent = new Agent()
  dispatcher = agent.compose(retry({ initialBackoffMs: 50, jitter: 'none' }))
  const sent = fetch(provider.url, via(dispatcher))
  while (provider.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  await agent.destroy()
  await expect(sent).rejects.toMatchObject({ cause: { code: 'UND_ERR_DESTROYED' } })
})
