/** What a request body may yield. */
export type BodyChunk = string | Uint8Array

type Source = AsyncIterator<BodyChunk, unknown> | Iterator<BodyChunk, unknown>

interface Reader {
  position: number
  /** `left` by its attempt; `replaced` by the next attempt while its own still sends. */
  state: 'reading' | 'left' | 'replaced'
}

const end: IteratorReturnResult<undefined> = { done: true, value: undefined }

/**
 * A one-shot body that every attempt can send whole. Bytes are recorded as undici pulls them, up to a limit; a later
 * attempt reads the recording, then goes on pulling the one shared source. Past the limit the recording is dropped
 * and the body streams on, but can no longer be sent again.
 *
 * Each attempt iterates it anew. The end of an attempt does not end the source: the end of the call does.
 */
export class RecordedBody implements AsyncIterable<BodyChunk> {
  /** Bytes pulled from the source so far. */
  bytes = 0
  /** The most that is kept, in bytes. */
  limit = 0
  /** Whether the source has come to its end. */
  ended = false
  /** What the source failed with. The caller's fault, not the server's. */
  error: unknown
  failed = false
  overflowed = false

  readonly #open: () => Source
  readonly #declaredLength: number | undefined
  readonly #onSourceError: (error: unknown) => void
  readonly #destroy: (() => void) | undefined
  #source: Source | undefined
  #chunks: BodyChunk[] = []
  /** One `next()` of the source at a time, also when an aborted attempt still waits for it. */
  #pulling: Promise<void> | undefined
  #reader: Reader | undefined
  #closed = false

  /**
   * @param body the source; touched only when the first attempt pulls
   * @param declaredLength the content-length header, in bytes. fetch ends a body whose stream broke as if it were
   *   complete, so a shorter one is never called complete.
   * @param destroy ends a source whose iterator cannot: that of a stream waits for the chunk that was asked for
   */
  constructor(
    body: AsyncIterable<BodyChunk> | Iterable<BodyChunk>,
    declaredLength: number | undefined,
    onSourceError: (error: unknown) => void,
    destroy?: () => void,
  ) {
    this.#open = () => (Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]())
    this.#declaredLength = declaredLength
    this.#onSourceError = onSourceError
    this.#destroy = destroy
  }

  /** Whether another attempt would send the same bytes from the first to the last. */
  get replayable(): boolean {
    return !this.overflowed && !this.failed && !this.#closed && !this.#cutShort
  }

  /** Whether the recording holds the whole body. */
  get complete(): boolean {
    return this.ended && this.replayable
  }

  get #cutShort(): boolean {
    return this.ended && this.#declaredLength !== undefined && this.bytes !== this.#declaredLength
  }

  [Symbol.asyncIterator](): AsyncIterator<BodyChunk, undefined> {
    const reader: Reader = { position: 0, state: 'reading' }
    const unreadable = !this.replayable
    // An attempt that still sends while the next one starts must not seem complete to the server, and must not take
    // chunks from the next one.
    if (this.#reader?.state === 'reading') this.#reader.state = 'replaced'
    this.#reader = reader
    return {
      next: () => {
        // Never an empty or partial second body: whoever asks for one is told.
        if (unreadable) return Promise.reject(new Error('the request body cannot be sent again'))
        return this.#read(reader)
      },
      return: () => {
        if (reader.state === 'reading') reader.state = 'left'
        return Promise.resolve(end)
      },
    }
  }

  async #read(reader: Reader): Promise<IteratorResult<BodyChunk, undefined>> {
    for (;;) {
      if (reader.state === 'left') return end
      if (reader.state === 'replaced') throw new Error('another attempt is sending this body')
      const recorded = this.#chunks[reader.position]
      if (recorded !== undefined) {
        reader.position++
        if (this.overflowed && reader.position === this.#chunks.length) {
          this.#chunks = []
          reader.position = 0
        }
        return { done: false, value: recorded }
      }
      if (this.failed) throw this.error
      if (this.ended || this.#closed) return end
      await this.#pull()
    }
  }

  #pull(): Promise<void> {
    return (this.#pulling ??= this.#next())
  }

  async #next(): Promise<void> {
    if (this.#declaredLength !== undefined && this.#declaredLength > this.limit) this.overflowed = true
    try {
      this.#source ??= this.#open()
      const result = await this.#source.next()
      if (result.done === true) {
        this.ended = true
        return
      }
      const chunk = checkedChunk(result.value)
      this.bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength
      if (this.bytes > this.limit) this.overflowed = true
      // What has no declared length comes from a stream or an iterable of the caller, which may use its buffer again.
      this.#chunks.push(this.#declaredLength === undefined && !this.overflowed ? copyOf(chunk) : chunk)
    } catch (error) {
      this.failed = true
      this.error = error
      this.#onSourceError(error)
    } finally {
      this.#pulling = undefined
    }
  }

  /**
   * Pulls the rest of the source into the recording, for a record of a call that ended before its body was sent.
   * Stops at the limit, at a failure of the source, and after `timeoutMs`.
   */
  async drain(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    let late = false
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        late = true
        resolve()
      }, timeoutMs)
    })
    while (!this.ended && !this.failed && !this.overflowed && !this.#closed && !late) {
      await Promise.race([this.#pull(), timeout])
    }
    clearTimeout(timer)
  }

  /** The recorded bytes: the whole body when `complete`. */
  recorded(): Buffer {
    return Buffer.concat(
      this.#chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)),
    )
  }

  /** Whether an attempt is in the middle of sending it. */
  get sending(): boolean {
    return this.#reader?.state === 'reading' && !this.ended && !this.failed
  }

  /** Frees the recording: nothing will be sent again. A body in the middle of being sent goes on. */
  forget(): void {
    this.overflowed = true
    const reader = this.#reader
    if (reader?.state !== 'reading') this.#chunks = []
    else {
      this.#chunks.splice(0, reader.position)
      reader.position = 0
    }
  }

  /** Ends the source, if it has not come to its end by itself, and frees the recording. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#chunks = []
    if (this.ended || this.failed) return
    this.#destroy?.()
    void this.#endSource()
  }

  async #endSource(): Promise<void> {
    try {
      await this.#source?.return?.()
    } catch {
      // the call is over: a source that fails to clean up after itself has nobody left to tell
    }
  }
}

/** @throws TypeError for what undici could not send: the source's fault, and not the server's */
function checkedChunk(chunk: unknown): BodyChunk {
  if (typeof chunk === 'string' || ArrayBuffer.isView(chunk)) return chunk as BodyChunk
  throw new TypeError(`a request body must yield strings or bytes, got ${typeof chunk}`)
}

function copyOf(chunk: BodyChunk): BodyChunk {
  return typeof chunk === 'string' ? chunk : Uint8Array.prototype.slice.call(chunk)
}
