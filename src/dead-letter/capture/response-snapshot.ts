/**
 * How long a record waits for the response body that goes into it, in milliseconds. Not longer: it is in memory only until
 * then, and many callers throw at the status and never read the rest.
 */
const WAIT_MS = 50

/** What was seen of a response body. */
export interface TakenBody {
  readonly bytes: Buffer
  readonly truncated: boolean
  /** The most of it that is to be kept, in bytes. */
  readonly max: number
}

/** The start of a response body, copied as it streams by to the caller. */
export class ResponseSnapshot {
  /** Settles when enough was seen, the body ended, or it took too long. */
  readonly taken: Promise<TakenBody>
  readonly #maxBytes: number
  readonly #chunks: Buffer[] = []
  #bytes = 0
  readonly #resolve: (taken: TakenBody) => void
  #timer: NodeJS.Timeout | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    const { promise, resolve } = Promise.withResolvers<TakenBody>()
    this.taken = promise
    this.#resolve = resolve
    this.#timer = setTimeout(() => this.end(false), WAIT_MS)
  }

  take(chunk: Buffer): void {
    if (this.#timer === undefined) return
    const room = this.#maxBytes - this.#bytes
    // a copy: the chunk is a window on a larger buffer, which it would keep alive
    if (room > 0) this.#chunks.push(Buffer.from(chunk.subarray(0, room)))
    this.#bytes += chunk.byteLength
    if (this.#bytes > this.#maxBytes) this.end(false)
  }

  end(complete: boolean): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#resolve({ bytes: Buffer.concat(this.#chunks), truncated: !complete, max: this.#maxBytes })
  }
}
