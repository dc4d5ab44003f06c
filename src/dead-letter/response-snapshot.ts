/** How long a record waits for the response body that goes into it, in milliseconds. */
const WAIT_MS = 1000

/** The start of a response body, copied as it streams by to the caller. */
export class ResponseSnapshot {
  /** Settles when enough was seen, the body ended, or it took too long. */
  readonly taken: Promise<{ bytes: Buffer; truncated: boolean }>
  readonly #maxBytes: number
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #resolve!: (taken: { bytes: Buffer; truncated: boolean }) => void
  #timer: NodeJS.Timeout | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.taken = new Promise((resolve) => (this.#resolve = resolve))
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
    this.#resolve({ bytes: Buffer.concat(this.#chunks), truncated: !complete })
  }
}
