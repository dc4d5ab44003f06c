import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** A request as the server received it. */
export interface Received {
  method: string
  url: string
  headers: http.IncomingHttpHeaders
  /** Bytes that came, and their SHA-256: `complete` when the request came to its end. */
  bytes: number
  sha256: string
  body: Buffer
  complete: boolean
  at: number
  /** The client's port: the same for all requests of one connection. */
  port: number
}

export type Reply = (request: Received, response: http.ServerResponse, socket: Socket) => void | Promise<void>

export interface Provider {
  readonly url: string
  readonly port: number
  readonly received: Received[]
  /** The replies in the order of the requests; the last one stays. */
  replies: Reply[]
  /** Called when the headers of a request are there, before its body: return true to take over. */
  onHeaders: ((request: http.IncomingMessage, response: http.ServerResponse) => boolean) | undefined
  /** Forgets what came, and answers with these from now on. */
  start(replies: Reply[]): void
  openSockets(): number
  close(): Promise<void>
}

export const ok: Reply = (_request, response) => void response.end('ok')

export function status(code: number, headers: http.OutgoingHttpHeaders = {}, body = ''): Reply {
  return (_request, response) => void response.writeHead(code, headers).end(body)
}

/** Cuts the connection once the whole request is there. */
export const reset: Reply = (_request, _response, socket) => void socket.resetAndDestroy()

/** Never answers. */
export const silence: Reply = () => undefined

/** A real HTTP server on a free port that plays a provider. */
export async function startProvider(...replies: Reply[]): Promise<Provider> {
  const sockets = new Set<Socket>()
  const received: Received[] = []
  let count = 0
  const server = http.createServer((request, response) => {
    if (provider.onHeaders?.(request, response) === true) return
    const hash = createHash('sha256')
    const chunks: Buffer[] = []
    const entry: Received = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      bytes: 0,
      sha256: '',
      body: Buffer.alloc(0),
      complete: false,
      at: performance.now(),
      port: request.socket.remotePort ?? 0,
    }
    received.push(entry)
    const reply = provider.replies[Math.min(count++, provider.replies.length - 1)] ?? ok
    request.on('data', (chunk: Buffer) => {
      hash.update(chunk)
      entry.bytes += chunk.length
      if (entry.bytes < 1_000_000) chunks.push(chunk)
    })
    request.on('error', () => undefined)
    request.on('end', () => {
      entry.complete = true
      entry.sha256 = hash.digest('hex')
      entry.body = Buffer.concat(chunks)
      void reply(entry, response, request.socket)
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const provider: Provider = {
    url: `http://127.0.0.1:${port}`,
    port,
    received,
    replies,
    onHeaders: undefined,
    start(next) {
      received.length = 0
      count = 0
      provider.replies = next
      provider.onHeaders = undefined
    },
    openSockets: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
  return provider
}

export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
