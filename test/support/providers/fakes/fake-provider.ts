import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { sentAt } from '../../processes/sent-at.ts'
import type { DocumentedLimits } from '../push/documented-limits.ts'

/** A request as the fake saw it. */
export interface FakeRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** The body as JSON, `{}` where it is none. */
  readonly json: Record<string, unknown>
  /** When it came, or was sent where it says so; monotonic, milliseconds. */
  readonly at: number
}

export interface FakeAnswer {
  status: number
  headers?: Record<string, string>
  /** Sent as JSON unless it is text. */
  body?: unknown
}

/**
 * What goes wrong with one request. `instead`: this answer, and nothing is done. `afterwards`: the request is done, and
 * then nobody answers (`silence`), the connection breaks (`reset`), or another answer is sent.
 */
type Fault = { instead: FakeAnswer } | { afterwards: 'silence' | 'reset' | FakeAnswer }

/**
 * A provider on a loopback port: a real HTTP server with the provider's authentication, limits, headers and bodies as
 * docs/architecture/providers has them. It refuses what the provider refuses, counts what it created, and knows when a
 * refused request came back before its time.
 */
export abstract class FakeProvider {
  readonly requests: FakeRequest[] = []
  /** Refusals for the limit, by `limit` or by a fault with a wait. */
  limitsSent = 0
  /** Requests that came back before the wait that they had been told was over. */
  early = 0
  /** What was created, by what makes it one: a value above 1 is a duplicate. */
  readonly created: Map<string, number> = new Map()
  /** The next requests' faults, first come first served; behind them everything works. */
  faults: Fault[] = []
  /** After `max` requests the provider refuses all for `windowMs`, and then begins to count anew. */
  limit: { max: number; windowMs: number } | undefined
  /** The provider's limits as its page has them; asked beside `limit`. */
  limits: DocumentedLimits | undefined
  /** The most requests at the same time so far. */
  peak = 0
  /** How long a good answer takes, in milliseconds. */
  latencyMs = 0

  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #notBefore = new Map<string, number>()
  #inFlight = 0
  #refusing = { until: Infinity, granted: 0 }
  #port = 0

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** What the real base url has behind its origin. */
  abstract readonly prefix: string
  /** A refusal for a bad or missing credential; `undefined` for a good one. */
  protected abstract unauthorized(request: FakeRequest): FakeAnswer | undefined
  /** The refusal for the limit, with the provider's way of telling the wait. */
  abstract limited(waitMs: number): FakeAnswer
  /** The wait that `limited(waitMs)` asks for, in milliseconds; 0 where the provider does not tell it. */
  abstract askedWait(answer: FakeAnswer): number
  /** Does what was asked. */
  protected abstract route(request: FakeRequest): FakeAnswer

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get baseUrl(): string {
    return this.origin + this.prefix
  }

  get duplicates(): number {
    let duplicates = 0
    for (const count of this.created.values()) duplicates += count - 1
    return duplicates
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Remembers that something was created; to be called by `route`. */
  protected create(key: string): void {
    this.created.set(key, (this.created.get(key) ?? 0) + 1)
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#inFlight += 1
    this.peak = Math.max(this.peak, this.#inFlight)
    response.on('close', () => (this.#inFlight -= 1))
    const chunks: Buffer[] = []
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const url = new URL(incoming.url ?? '/', this.origin)
    const body = Buffer.concat(chunks).toString()
    const request: FakeRequest = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body,
      json: parsed(body),
      at: sentAt(incoming.headers),
    }
    this.requests.push(request)
    const key = `${request.method} ${incoming.url} ${body}`
    // timers of the client and of this server are of one process; a millisecond is their rounding
    if (request.at < (this.#notBefore.get(key) ?? 0) - 1) this.early += 1

    const refused = this.unauthorized(request)
    if (refused !== undefined) {
      send(response, refused)
      return
    }
    const fault = this.faults.shift()
    if (fault !== undefined && 'instead' in fault) {
      this.#remember(key, fault.instead, request.at)
      send(response, fault.instead)
      return
    }
    const wait = this.#overLimit(request.at) ?? this.limits?.refusal(request.at, this.#inFlight)
    if (wait !== undefined) {
      const answer = this.limited(wait)
      this.#remember(key, answer, request.at)
      send(response, answer)
      return
    }
    const answer = this.route(request)
    if (fault === undefined) {
      if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs))
      send(response, answer)
    } else if (fault.afterwards === 'reset') incoming.socket.destroy()
    else if (fault.afterwards !== 'silence') send(response, fault.afterwards)
  }

  #remember(key: string, answer: FakeAnswer, at: number): void {
    if (!this.isLimit(answer)) return
    this.limitsSent += 1
    this.#notBefore.set(key, at + this.askedWait(answer))
  }

  /** Whether an answer is a refusal for the limit. */
  protected isLimit(answer: FakeAnswer): boolean {
    return answer.status === 429
  }

  /** How long to wait, for a request over the limit. However slowly the requests come, the one after `max` is over it. */
  #overLimit(now: number): number | undefined {
    if (this.limit === undefined) return undefined
    if (now >= this.#refusing.until) this.#refusing = { until: Infinity, granted: 0 }
    if (this.#refusing.until === Infinity) {
      this.#refusing.granted += 1
      if (this.#refusing.granted <= this.limit.max) return undefined
      this.#refusing.until = now + this.limit.windowMs
    }
    return this.#refusing.until - now
  }
}

function send(response: ServerResponse, answer: FakeAnswer): void {
  const { status, headers = {}, body } = answer
  if (body === undefined) response.writeHead(status, headers).end()
  else if (typeof body === 'string') response.writeHead(status, headers).end(body)
  else {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }
}

function parsed(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** An answer of 200 with JSON. */
export function ok(body: unknown, status = 200): FakeAnswer {
  return { status, body }
}

/** Seconds in a header, as a wait in milliseconds. */
export function seconds(value: string | undefined): number {
  return Number(value ?? 0) * 1000
}
