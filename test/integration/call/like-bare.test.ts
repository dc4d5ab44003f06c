import { EventEmitter } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher, fetch as npmFetch, interceptors, request, stream } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resilience } from '../../../src/index.ts'
import { selfSigned } from '../../support/servers/certificate.ts'

// What a bare Agent does and what it does with the stack in the way, in one run: they must not differ.

type Compose = (agent: Agent) => Dispatcher
type Init = Record<string, unknown>

const compositions: [name: string, compose: Compose][] = [
  ['bare', (agent) => agent],
  ['with the stack', (agent) => agent.compose(resilience())],
]

/** What came of it: a value, or the error that undici's `request` rejects with. */
async function outcome(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return await run()
  } catch (error) {
    const { name, code, message } = error as { name: string; code?: unknown; message: string }
    return { name, code, message }
  }
}

/** Runs it twice, bare and with the stack, and gives back what came of both. */
async function both(
  run: (dispatcher: Dispatcher) => Promise<unknown>,
  options: Agent.Options = {},
): Promise<{ bare: unknown; ours: unknown }> {
  const results: unknown[] = []
  for (const [, compose] of compositions) {
    const agent = new Agent(options)
    results.push(await outcome(() => run(compose(agent))))
    await agent.destroy()
  }
  return { bare: results[0], ours: results[1] }
}

async function listening<S extends http.Server | http2.Http2SecureServer>(
  server: S,
): Promise<[server: S, port: number]> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return [server, (server.address() as AddressInfo).port]
}

let silent: http.Server
let echo: http.Server
let silentUrl: string
let echoUrl: string

beforeAll(async () => {
  let port: number
  ;[silent, port] = await listening(http.createServer(() => undefined))
  silentUrl = `http://127.0.0.1:${port}/`
  ;[echo, port] = await listening(
    http.createServer((incoming, response) => {
      incoming.resume()
      incoming.on('end', () => {
        if (incoming.url === '/moved') response.writeHead(307, { location: '/' }).end()
        else response.end(String(incoming.headers['x-a']))
      })
    }),
  )
  echoUrl = `http://127.0.0.1:${port}/`
})
afterAll(() => {
  for (const server of [silent, echo]) {
    server.closeAllConnections()
    server.close()
  }
})

describe('an upload over HTTP/2 that is answered before it ends', () => {
  let server: http2.Http2SecureServer
  let url: string
  let upload: PromiseWithResolvers<{ bytes: number; how: string }>

  beforeAll(async () => {
    let port: number
    ;[server, port] = await listening(http2.createSecureServer(await selfSigned()))
    url = `https://127.0.0.1:${port}`
    server.on('stream', (incoming) => {
      let bytes = 0
      incoming.respond({ ':status': 202 })
      incoming.end('ok')
      incoming.on('data', (chunk: Buffer) => (bytes += chunk.length))
      incoming.on('end', () => upload.resolve({ bytes, how: 'ended' }))
      incoming.on('aborted', () => upload.resolve({ bytes, how: 'aborted' }))
      incoming.on('error', () => undefined)
    })
  })
  afterAll(() => void server.close())

  async function* slowly(): AsyncGenerator<Buffer> {
    for (let chunk = 0; chunk < 10; chunk++) {
      await sleep(5)
      yield Buffer.alloc(8)
    }
  }
  const senders: Record<string, (dispatcher: Dispatcher) => Promise<unknown>> = {
    'fetch, a generator': async (dispatcher) => {
      const init = { method: 'PUT', body: slowly(), duplex: 'half', dispatcher } as Init
      return await (await npmFetch(url, init)).text()
    },
    'request, a generator': async (dispatcher) =>
      await (await request(url, { method: 'PUT', body: slowly() as never, dispatcher })).body.text(),
    'request, a Readable': async (dispatcher) =>
      await (await request(url, { method: 'PUT', body: Readable.from(slowly()), dispatcher })).body.text(),
  }

  it.each(Object.entries(senders))('is sent to its end: %s', async (_name, send) => {
    const { bare, ours } = await both(
      async (dispatcher) => {
        upload = Promise.withResolvers()
        expect(await send(dispatcher)).toBe('ok')
        return await upload.promise
      },
      { allowH2: true, connect: { rejectUnauthorized: false } },
    )
    expect(bare).toEqual({ bytes: 80, how: 'ended' })
    expect(ours).toEqual(bare)
  })
})

it("a reverse proxy's client gets an answer that comes before its upload was read", async () => {
  const [upstream, port] = await listening(
    http.createServer((_incoming, response) => void response.writeHead(401).end('no')),
  )
  const { bare, ours } = await both(async (dispatcher) => {
    const [proxy, proxyPort] = await listening(
      http.createServer((incoming, response) => {
        request(`http://127.0.0.1:${port}`, { method: 'POST', body: incoming, dispatcher }).then(
          (answer) => answer.body.pipe(response.writeHead(answer.statusCode)),
          (error: Error) => response.writeHead(502).end(error.message),
        )
      }),
    )
    const answer = await new Promise((resolve) => {
      const sent = http.request({ port: proxyPort, host: '127.0.0.1', method: 'POST' }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode))
      })
      sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      sent.end(Buffer.alloc(5_000_000))
    })
    proxy.closeAllConnections()
    proxy.close()
    return answer
  })
  upstream.closeAllConnections()
  upstream.close()
  expect(bare).toBe(401)
  expect(ours).toBe(bare)
})

describe('an abort', () => {
  it('without a reason arrives as undici makes it', async () => {
    const { bare, ours } = await both(async (dispatcher) => {
      const signal = new EventEmitter()
      const sent = request(silentUrl, { dispatcher, signal })
      await sleep(20)
      signal.emit('abort')
      return await sent
    })
    expect(bare).toMatchObject({ code: 'UND_ERR_ABORTED' })
    expect(ours).toEqual(bare)
  })

  it('of a factory that throws in stream() arrives as it is', async () => {
    const { bare, ours } = await both((dispatcher) =>
      stream(echoUrl, { method: 'GET', dispatcher }, () => {
        throw new Error('no room')
      }),
    )
    expect(bare).toMatchObject({ message: 'no room' })
    expect(ours).toEqual(bare)
  })

  it('is told to the stream that is being sent', async () => {
    const { bare, ours } = await both(async (dispatcher) => {
      const body = new Readable({ read: () => undefined })
      body.push('x')
      const heard = new Promise((resolve) => body.on('error', (error) => resolve(error.message)))
      const abort = new AbortController()
      const sent = outcome(() =>
        request(silentUrl, { method: 'PUT', body, dispatcher, signal: abort.signal }),
      )
      await sleep(20)
      abort.abort(new Error('why'))
      return { sent: await sent, heard: await heard, destroyed: body.destroyed }
    })
    expect(bare).toMatchObject({ heard: 'why', destroyed: true })
    expect(ours).toEqual(bare)
  })
})

describe('a stream that is sent', () => {
  it.each([
    ['without an error', undefined],
    ['with one', new Error('own')],
  ])('and destroyed %s', async (_how, error) => {
    const { bare, ours } = await both(async (dispatcher) => {
      const body = new Readable({ read: () => undefined })
      body.push('x')
      const sent = request(silentUrl, { method: 'PUT', body, dispatcher })
      await sleep(20)
      body.destroy(error)
      return await sent
    })
    expect(bare).toHaveProperty('message', error === undefined ? 'Request aborted' : 'own')
    expect(ours).toEqual(bare)
  })

  it('and yields what is no chunk', async () => {
    const { bare, ours } = await both((dispatcher) =>
      request(silentUrl, { method: 'PUT', body: Readable.from([{ no: 'chunk' }]), dispatcher }),
    )
    const { name, code } = bare as { name: string; code: string }
    expect(ours).toMatchObject({ name, code })
  })

  it('is destroyed at its end although it would not destroy itself', async () => {
    const { bare, ours } = await both(async (dispatcher) => {
      const body = new Readable({
        autoDestroy: false,
        read() {
          this.push('x')
          this.push(null)
        },
      })
      await (await request(echoUrl, { method: 'PUT', body, dispatcher })).body.dump()
      await expect.poll(() => body.destroyed).toBe(true)
      return body.destroyed
    })
    expect(ours).toEqual(bare)
  })

  it('and redirected comes back with the redirect, where the redirect is the outer layer', async () => {
    const follow = interceptors.redirect({ maxRedirections: 3 })
    const statuses = []
    for (const layers of [[follow], [resilience(), follow]]) {
      const agent = new Agent()
      const body = Readable.from([Buffer.alloc(2_000_000), Buffer.alloc(2_000_000)])
      const answer = await request(`${echoUrl}moved`, {
        method: 'PUT',
        body,
        dispatcher: agent.compose(layers),
      })
      statuses.push(answer.statusCode)
      await answer.body.dump()
      await agent.destroy()
    }
    expect(statuses).toEqual([307, 307])
  })
})

describe('headers', () => {
  it.each([
    ['text', 'text'],
    ['a number', 7],
    ['an iterable of strings', new Set(['a', 'b'])],
    ['a pair without a value', [['a']]],
    ['a list of odd length', ['a']],
  ])('that are %s are refused alike', async (_what, headers) => {
    const { bare, ours } = await both((dispatcher) =>
      request(echoUrl, { dispatcher, headers: headers as never }),
    )
    expect(bare).toMatchObject({ code: 'UND_ERR_INVALID_ARG' })
    expect(ours).toEqual(bare)
  })

  it.each([
    ['a map', new Map([['x-a', '1']])],
    ['a list', ['x-a', '1']],
    ['Headers', new Headers({ 'x-a': '1' })],
  ])('that are %s are sent alike', async (_what, headers) => {
    const { bare, ours } = await both(async (dispatcher) => {
      return await (await request(echoUrl, { dispatcher, headers: headers as never })).body.text()
    })
    expect(bare).toBe('1')
    expect(ours).toBe(bare)
  })

  it('are sent although somebody gave every object an iterator', async () => {
    const everything = Object.prototype as { [Symbol.iterator]?: () => Iterator<unknown> }
    everything[Symbol.iterator] = () => [].values()
    try {
      const { bare, ours } = await both(async (dispatcher) => {
        return await (await request(echoUrl, { dispatcher, headers: { 'x-a': '1' } })).body.text()
      })
      expect(bare).toBe('1')
      expect(ours).toBe(bare)
    } finally {
      delete everything[Symbol.iterator]
    }
  })
})
