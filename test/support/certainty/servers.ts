import { once } from 'node:events'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { Worker } from 'node:worker_threads'
import type * as undiciTypes from 'undici'
import type { Dispatcher } from 'undici'

/** What a scenario is played with. */
export interface Stage {
  /** The undici under test: 7 or 8. */
  readonly undici: typeof undiciTypes
  /** A certificate for localhost, signed by itself. */
  readonly certificate: { readonly key: string; readonly cert: string }
}

/** Where a request goes that something happens to, and through what. */
export interface Broken {
  readonly url: string
  readonly dispatcher: Dispatcher
  close(): Promise<unknown>
}

export const LOCALHOST = '127.0.0.1'
/** The same, and Linux answers there too: a second address of one name. */
const LOCALHOST_2 = '127.0.0.2'

const PREFACE_BYTES = 24
const FRAME_HEAD_BYTES = 9
const HEADERS = 1
const SETTINGS_FRAME = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])

/** Every name has both addresses. */
export const lookupBoth: net.LookupFunction = (_name, options, done) => {
  const addresses = [LOCALHOST, LOCALHOST_2].map((address) => ({ address, family: 4 }))
  if (options.all === true) done(null, addresses)
  else done(null, LOCALHOST, 4)
}

export function http1({ undici }: Stage, connect: object = {}): Dispatcher {
  return new undici.Agent({ connect: { rejectUnauthorized: false, ...connect }, allowH2: false })
}

async function listening(server: Server): Promise<number> {
  await once(server.listen(0, LOCALHOST), 'listening')
  return (server.address() as AddressInfo).port
}

function closing(server: Server, dispatcher: Dispatcher): () => Promise<unknown> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  return async () => {
    await dispatcher.destroy()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

/** Nothing listens at `url`. */
export function at(url: string, dispatcher: Dispatcher): Broken {
  return { url, dispatcher, close: () => dispatcher.destroy() }
}

export async function closedPort(): Promise<number> {
  const server = net.createServer()
  const port = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A port whose connections never come to stand: the queue of a listener that accepts nobody is full. */
export async function hanging(stage: Stage, host: string, connect: object): Promise<Broken> {
  const worker = new Worker(
    `const net = require('node:net')
     const { parentPort } = require('node:worker_threads')
     const server = net.createServer()
     server.listen({ port: 0, host: '${LOCALHOST}', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       // accepts nobody: the thread that would stands still
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
     })`,
    { eval: true },
  )
  const [port] = (await once(worker, 'message')) as [number]
  const fillers = Array.from({ length: 4 }, () => net.connect(port, LOCALHOST).on('error', () => undefined))
  // two of them fill the queue; the others hang like every later one
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')))
  const dispatcher = http1(stage, connect)
  return {
    url: `http://${host}:${port}/`,
    dispatcher,
    close: async () => {
      await dispatcher.destroy()
      for (const socket of fillers) socket.destroy()
      await worker.terminate()
    },
  }
}

export async function unixSocket(stage: Stage, fileIsThere: boolean): Promise<Broken> {
  const folder = await mkdtemp(join(tmpdir(), 'certainty-'))
  const path = join(folder, 'daemon.sock')
  if (fileIsThere) {
    const first = net.createServer()
    await once(first.listen(`${path}.first`), 'listening')
    // node removes the file of a server that it closes; that of a daemon that was killed stays
    await rename(`${path}.first`, path)
    await new Promise((resolve) => first.close(resolve))
  }
  const dispatcher = http1(stage, { socketPath: path })
  return {
    url: 'http://daemon.test/',
    dispatcher,
    close: async () => {
      await dispatcher.destroy()
      await rm(folder, { recursive: true })
    },
  }
}

/** A server of raw sockets: `meet` says what becomes of a connection once something was sent to it. */
export async function rawServer(
  meet: (socket: Socket) => void,
  makeDispatcher: (port: number) => Dispatcher,
  url: string | ((port: number) => string),
): Promise<Broken> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => meet(socket))
  })
  const port = await listening(server)
  const dispatcher = makeDispatcher(port)
  return { url: typeof url === 'string' ? url : url(port), dispatcher, close: closing(server, dispatcher) }
}

/** The same, asked directly. */
export function broken(
  stage: Stage,
  scheme: 'http' | 'https',
  meet: (socket: Socket) => void,
  makeDispatcher = (): Dispatcher => http1(stage),
): Promise<Broken> {
  return rawServer(meet, makeDispatcher, (port) => `${scheme}://${LOCALHOST}:${port}/`)
}

/** A proxy that does `meet` to who asks it for a tunnel. */
export async function tunnelProxy(
  { undici }: Stage,
  meet: (client: Socket) => void,
  target = 'https://target.test/',
): Promise<Broken> {
  const proxy = http.createServer()
  proxy.on('connect', (_request, client: Socket) => {
    client.on('error', () => undefined)
    meet(client)
  })
  const port = await listening(proxy)
  const dispatcher = new undici.ProxyAgent({
    uri: `http://${LOCALHOST}:${port}`,
    proxyTunnel: true,
    requestTls: { rejectUnauthorized: false },
  })
  return { url: target, dispatcher, close: closing(proxy, dispatcher) }
}

/** What comes through the tunnel first is the end of it. */
export function cutTunnel(client: Socket): void {
  client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
  client.once('data', () => client.end())
}

/** A SOCKS5 proxy that wants no name and answers CONNECT with this code (RFC 1928, 6). */
export function socksProxy({ undici }: Stage, reply: number): Promise<Broken> {
  return rawServer(
    (socket) => {
      socket.write(Buffer.from([5, 0]))
      socket.once('data', () => socket.end(Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0])))
    },
    (port) => new undici.ProxyAgent(`socks5://${LOCALHOST}:${port}`),
    'http://target.test/',
  )
}

export async function tlsServer(
  stage: Stage,
  server: tls.TlsOptions,
  connect: object,
  host = 'localhost',
): Promise<Broken> {
  const listener = tls.createServer({ ...stage.certificate, ...server }, (socket) =>
    socket.on('error', () => undefined),
  )
  listener.on('tlsClientError', () => undefined)
  const port = await listening(listener)
  const dispatcher = http1(stage, connect)
  return { url: `https://${host}:${port}/`, dispatcher, close: closing(listener, dispatcher) }
}

function http2Client({ undici }: Stage): Dispatcher {
  return new undici.Agent({ allowH2: true, connect: { rejectUnauthorized: false } })
}

export async function http2Server(
  stage: Stage,
  onStream: (stream: http2.ServerHttp2Stream, cutConnections: () => void) => void,
): Promise<Broken> {
  const server = http2.createSecureServer(stage.certificate)
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('session', (session) => session.on('error', () => undefined))
  server.on('stream', (stream) => {
    stream.on('error', () => undefined)
    onStream(stream, () => {
      for (const socket of sockets) socket.destroy()
    })
  })
  const port = await listening(server as unknown as Server)
  const dispatcher = http2Client(stage)
  const close = closing(server as unknown as Server, dispatcher)
  return { url: `https://localhost:${port}/`, dispatcher, close }
}

/**
 * Ends each connection with a GOAWAY without an error once a request has come: streams above `lastStreamId` were not
 * and will not be acted on (RFC 9113, 6.8). Speaks as much HTTP/2 as that takes; Node's server cannot refuse its first.
 */
export async function http2GoingAway(stage: Stage, lastStreamId: number): Promise<Broken> {
  const goAway = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, lastStreamId, 0, 0, 0, 0])
  const server = tls.createServer({ ...stage.certificate, ALPNProtocols: ['h2'] }, (socket) => {
    let bytes = Buffer.alloc(0)
    let at = PREFACE_BYTES
    socket.on('error', () => undefined)
    socket.write(SETTINGS_FRAME)
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      for (; at + FRAME_HEAD_BYTES <= bytes.length; at += FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3)) {
        if (bytes[at + 3] !== HEADERS) continue
        socket.removeAllListeners('data').resume()
        socket.end(goAway)
        return
      }
    })
  })
  const port = await listening(server)
  const dispatcher = http2Client(stage)
  return { url: `https://localhost:${port}/`, dispatcher, close: closing(server, dispatcher) }
}

/** A MockAgent that replies with `error`, or has no mock. */
export function mocked({ undici }: Stage, error: Error | undefined): Broken {
  const url = 'http://mocked.test/'
  const agent = new undici.MockAgent()
  agent.disableNetConnect()
  const pool = agent.get(new URL(url).origin)
  if (error !== undefined) {
    pool
      .intercept({ path: () => true, method: () => true })
      .replyWithError(error)
      .persist()
  }
  return { url, dispatcher: agent, close: () => agent.close() }
}
