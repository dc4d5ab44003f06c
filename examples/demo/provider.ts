import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** How the provider behaves. An outage is not one of them: then it does not listen at all. */
export type Weather = 'healthy' | 'unavailable' | 'rate-limited' | 'resetting'

/** A fault that the final check must find. */
export type Fault = 'lose' | 'duplicate' | 'corrupt'

export const faults: readonly Fault[] = ['lose', 'duplicate', 'corrupt']

interface Call {
  /** `order-7`, `document-3`, `contact-1`. */
  id: string
  /** Number of the call in the weather in hand; the first is 0. */
  ordinal: number
  attempts: number
  /** Not to come back before, `performance.now()` milliseconds. */
  notBefore: number
}

/**
 * A real HTTP server with bad days and a ledger. It honours `Idempotency-Key` on POST, as payment and booking APIs do;
 * what it has accepted it knows by the id in the body, not by the key, so a key that changed on the way is found out.
 */
export class Provider {
  weather: Weather = 'healthy'
  /** How often each order was carried out. */
  readonly orders = new Map<string, number>()
  /** SHA-256 of each document as it was received last. */
  readonly documents = new Map<string, string>()
  attempts = 0
  /** Repeats of an accepted order, answered from memory because the key was known. */
  recognised = 0
  /** Attempts that came back before `Retry-After` had passed. */
  early = 0
  readonly #token: string
  #fault: Fault | undefined
  readonly #answers = new Map<string, string>()
  readonly #sockets = new Set<Socket>()
  #limitedUntil = 0
  #calls = new Map<string, Call>()
  #server: Server | undefined
  #port = 0

  constructor(token: string, fault: Fault | undefined) {
    this.#token = token
    this.#fault = fault
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Listens; after an outage on the same port again. */
  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response))
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
    })
    while (!(await this.#listens(server))) await sleep(100)
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** False while another program on this machine makes a connection from the port, which nobody held in the meantime. */
  #listens(server: Server): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void =>
        error.code === 'EADDRINUSE' ? resolve(false) : reject(error)
      server.once('error', failed).listen(this.#port, '127.0.0.1', () => {
        server.off('error', failed)
        resolve(true)
      })
    })
  }

  /** Stops listening and cuts every connection. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await new Promise<unknown>((resolve) =>
      server === undefined ? resolve(undefined) : server.close(resolve),
    )
  }

  change(weather: Weather): void {
    this.weather = weather
    this.#calls = new Map()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.attempts += 1
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const body = Buffer.concat(chunks)
    if (request.headers.authorization !== `Bearer ${this.#token}`) {
      answer(response, 401, { message: 'who are you?' })
      return
    }
    const id = idOf(request, body)
    const call = this.#call(id)
    const accept = (): void => {
      const status = request.method === 'POST' ? 201 : 200
      answer(response, status, { id: this.#accept(request, id, body) })
    }
    const cut = (): unknown => request.socket.resetAndDestroy()
    const bad = call.attempts === 1
    if (this.weather === 'unavailable' && call.ordinal % 3 === 1 && call.attempts <= 1 + (call.ordinal % 2)) {
      answer(response, 503, { message: 'try again later' })
    } else if (this.weather === 'rate-limited' && this.#isLimited(call)) {
      call.notBefore = performance.now() + 1000
      answer(response, 429, { message: 'slow down' }, { 'retry-after': '1' })
    } else if (this.weather === 'resetting' && call.ordinal % 4 === 1 && bad) {
      // half of them are carried out, and only the answer is lost: the case in which a careless retry books twice
      if (call.ordinal % 8 === 1) this.#accept(request, id, body)
      cut()
    } else accept()
  }

  /** As limits do, it refuses whatever comes, for a second: from the eighth call on. */
  #isLimited({ ordinal, attempts }: Call): boolean {
    if (ordinal === 7 && attempts === 1) this.#limitedUntil = performance.now() + 1000
    return performance.now() < this.#limitedUntil
  }

  #call(id: string): Call {
    let call = this.#calls.get(id)
    if (call === undefined) {
      call = { id, ordinal: this.#calls.size, attempts: 0, notBefore: 0 }
      this.#calls.set(id, call)
    }
    call.attempts += 1
    if (performance.now() < call.notBefore) this.early += 1
    return call
  }

  #accept(request: IncomingMessage, id: string, body: Buffer): string {
    if (request.method === 'PUT') {
      this.documents.set(id, sha256(this.#strikes('corrupt') ? body.subarray(1) : body))
    } else if (request.method === 'POST') {
      const key = String(request.headers['idempotency-key'])
      if (this.#answers.has(key) && !this.#strikes('duplicate')) {
        this.recognised += 1
        return id
      }
      this.#answers.set(key, id)
      if (!this.#strikes('lose')) this.orders.set(id, (this.orders.get(id) ?? 0) + 1)
    }
    return id
  }

  /** Whether the injected fault happens here; it happens once. */
  #strikes(fault: Fault): boolean {
    if (this.#fault !== fault) return false
    this.#fault = undefined
    return true
  }
}

function idOf(request: IncomingMessage, body: Buffer): string {
  if (request.method === 'POST') return (JSON.parse(body.toString()) as { id: string }).id
  return request.url?.split('/').at(-1) ?? ''
}

function answer(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
