import { isIntegrationError, withCallOptions } from '../../src/index.ts'
import { sha256 } from './provider.ts'

export type Kind = 'GET' | 'POST' | 'PUT'

/** What the application saw of a call. */
export interface CallResult {
  id: string
  kind: Kind
  /** `refused`: by the circuit. `failed`: an error status or a network error, after the last attempt. */
  result: 'ok' | 'refused' | 'failed'
}

const CHUNKS = 8
const CHUNK_BYTES = 2048

/** A shop that calls its provider with plain `fetch`. It knows nothing of retries, circuits or dead letters. */
export class Application {
  readonly results: CallResult[] = []
  /** Every order that the application meant to place. */
  readonly orders = new Set<string>()
  /** SHA-256 of every document that it meant to upload. */
  readonly documents = new Map<string, string>()
  readonly #url: string
  readonly #headers: Record<string, string>
  #count = 0

  constructor(url: string, token: string) {
    this.#url = url
    this.#headers = { authorization: `Bearer ${token}` }
  }

  /** The next piece of business: reads, orders and an upload in turn. Resolves when the call is over. */
  next(): Promise<void> {
    const number = ++this.#count
    switch (number % 5) {
      case 1:
      case 3:
        return this.#readContact(`contact-${number}`)
      case 0:
        return this.#uploadDocument(`document-${number}`)
      default:
        return this.#placeOrder(`order-${number}`)
    }
  }

  #readContact(id: string): Promise<void> {
    // nobody wants yesterday's read back: no dead letter
    return withCallOptions({ labels: { call: id }, deadLetter: false }, () =>
      this.#note(id, 'GET', fetch(`${this.#url}/contacts/${id}`, { headers: this.#headers })),
    )
  }

  #placeOrder(id: string): Promise<void> {
    this.orders.add(id)
    const headers = { ...this.#headers, 'content-type': 'application/json' }
    const body = JSON.stringify({ id, item: 'bicycle bell', quantity: 3 })
    return withCallOptions({ labels: { call: id } }, () =>
      this.#note(id, 'POST', fetch(`${this.#url}/orders`, { method: 'POST', headers, body })),
    )
  }

  #uploadDocument(id: string): Promise<void> {
    const chunks = Array.from({ length: CHUNKS }, (_, part) =>
      Buffer.alloc(CHUNK_BYTES, `${id} part ${part};`),
    )
    this.documents.set(id, sha256(Buffer.concat(chunks)))
    const headers = { ...this.#headers, 'content-type': 'application/octet-stream' }
    const body = ReadableStream.from(chunks)
    return withCallOptions({ labels: { call: id } }, () =>
      this.#note(
        id,
        'PUT',
        fetch(`${this.#url}/documents/${id}`, { method: 'PUT', headers, body, duplex: 'half' }),
      ),
    )
  }

  async #note(id: string, kind: Kind, call: Promise<Response>): Promise<void> {
    let result: CallResult['result']
    try {
      const response = await call
      await response.arrayBuffer()
      result = response.ok ? 'ok' : 'failed'
    } catch (error) {
      const { cause } = error as Error
      result = isIntegrationError(cause) && cause.code === 'ERR_CIRCUIT_OPEN' ? 'refused' : 'failed'
    }
    this.results.push({ id, kind, result })
  }
}
