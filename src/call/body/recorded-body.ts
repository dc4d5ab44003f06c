import { errors } from 'undici'
import { TimeLimitError, withTimeLimit } from '../../time/time-limit.ts'

/** What a request body may yield. */
export type BodyChunk = string | Uint8Array

type Source = AsyncIterator<BodyChunk, unknown> | Iterator<BodyChunk, unknown>

interface Reader {
  /** Chunks that it has read. */
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
 * Each attempt iterates it anew, and takes it over from the one before; an attempt that shall be in flight beside
 * another one sends `beside()`. The end of an attempt does not end the source: the end of the call does, once whoever
 * still sends has come to the end. A reader of a closed body gets an error: cut short, it must not look whole.
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
  readonly #destroy: ((reason?: Error) => void) | undefined
  #source: Source | undefined
  #chunks: BodyChunk[] = []
  /** Chunks before the first of `#chunks`, which nobody will read again. */
  #dropped = 0
  /** One `next()` of the source at a time, also when an aborted attempt still waits for it. */
  #pulling: Promise<void> | undefined
  readonly #readers = new Set<Reader>()
  #closing = false
  #closed = false

  /**
   * @param body the source; touched only when the first attempt pulls
   * @param declaredLength the content-length header, in bytes. fetch ends a body whose stream broke as if it were
   *   complete, so a shorter one is never called complete.
   * @param destroy ends a stream: its iterator cannot, since it waits for the chunk that was asked for
   */
  constructor(
    body: AsyncIterable<BodyChunk> | Iterable<BodyChunk>,
    declaredLength: number | undefined,
    onSourceError: (error: unknown) => void,
    destroy?: (reason?: Error) => void,
  ) {
    this.#open = () => (Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : body[Symbol.iterator]())
    this.#declaredLength = declaredLength
    this.#onSourceError = onSourceError
    this.#destroy = destroy
  }

  /** Whether another attempt would send the same bytes from the first to the last. */
  get rereadable(): boolean {
    return !this.overflowed && !this.failed && !this.#closed && !this.#cutShort
  }

  /** Whether the recording holds the whole body. */
  get complete(): boolean {
    return this.ended && this.rereadable
  }

  /** How long the whole body is, in bytes: declared, or seen to its end; `undefined` when that is not known. */
  get length(): number | undefined {
    return this.ended ? this.bytes : this.#declaredLength
  }

  get #cutShort(): boolean {
    return this.ended && this.#declaredLength !== undefined && this.bytes !== this.#declaredLength
  }

  [Symbol.asyncIterator](): AsyncIterator<BodyChunk, undefined> {
    // An attempt that still sends while the next one starts must not seem complete to the server, and must not take
    // chunks from the next one.
    for (const reader of this.#readers) reader.state = 'replaced'
    this.#readers.clear()
    return this.#reading()
  }

  /** The same body for an attempt beside those that send it already: none of them takes anything from another. */
  beside(): AsyncIterable<BodyChunk> {
    return { [Symbol.asyncIterator]: () => this.#reading() }
  }

  #reading(): AsyncIterator<BodyChunk, undefined> {
    const reader: Reader = { position: 0, state: 'reading' }
    const unreadable = !this.rereadable
    if (!unreadable) this.#readers.add(reader)
    return {
      next: () => {
        // Never an empty or partial second body: whoever asks for one is told.
        if (unreadable) return Promise.reject(this.#refusal())
        return this.#read(reader)
      },
      return: () => {
        if (reader.state === 'reading') reader.state = 'left'
        this.#leave(reader)
        return Promise.resolve(end)
      },
    }
  }

  /** Only an interceptor under us asks: whose fault it is, no server's. */
  #refusal(): Error {
    const why = this.overflowed
      ? `it is longer than the ${this.limit} bytes that are kept of it`
      : 'it was not read to its end'
    const error = new Error(
      `the request body cannot be sent again: ${why}; compose interceptors that send it again, such as redirect, above ` +
        'this package',
    )
    this.#onSourceError(error)
    return Object.assign(error, { code: 'ERR_BODY_NOT_REPEATABLE' })
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader)
    if (this.#closing && this.#readers.size === 0) this.close()
    else this.#trim()
  }

  async #read(reader: Reader): Promise<IteratorResult<BodyChunk, undefined>> {
    for (;;) {
      if (reader.state === 'left') return end
      if (reader.state === 'replaced') throw new Error('another attempt is sending this body')
      const recorded = this.#chunks[reader.position - this.#dropped]
      if (recorded !== undefined) {
        reader.position++
        this.#trim()
        return { done: false, value: recorded }
      }
      if (this.failed || this.ended || this.#closed) {
        this.#leave(reader)
        if (this.failed) throw this.error
        if (this.ended) return end
        throw new Error('the call is over: the rest of its body is not sent')
      }
      await this.#pull()
    }
  }

  /** Past the limit nothing is kept but what a reader still has to send. */
  #trim(): void {
    if (!this.overflowed) return
    let first = this.#dropped + this.#chunks.length
    for (const { position } of this.#readers) first = Math.min(first, position)
    if (first > this.#dropped) this.#chunks.splice(0, first - this.#dropped)
    this.#dropped = first
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
      this.error = this.#destroy === undefined ? error : errorOfStream(error)
      this.#onSourceError(this.error)
    } finally {
      this.#pulling = undefined
    }
  }

  /**
   * Pulls the rest of the source into the recording, for a record of a call that ended before its body was sent.
   * Stops at the limit, past `maxBytes`, at a failure of the source, and after `timeoutMs` in which this process could run.
   */
  async drain(timeoutMs: number, maxBytes = Infinity): Promise<void> {
    let late = false
    const mayGoOn = (): boolean => !this.ended && !this.failed && !this.overflowed && !this.#closed
    const rest = async (): Promise<void> => {
      while (mayGoOn() && this.bytes <= maxBytes && !late) await this.#pull()
    }
    try {
      await withTimeLimit(rest(), timeoutMs, 'reading the rest of a body')
    } catch (error) {
      if (!(error instanceof TimeLimitError)) throw error
      late = true
    }
  }

  /** The recorded bytes: the whole body when `complete`. */
  recorded(): Buffer {
    return Buffer.concat(
      this.#chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)),
    )
  }

  /** Whether an attempt is in the middle of sending it. */
  get sending(): boolean {
    return this.#readers.size > 0 && !this.ended && !this.failed
  }

  /** Frees the recording: nothing will be sent again. A body in the middle of being sent goes on. */
  forget(): void {
    this.overflowed = true
    this.#trim()
  }

  /** The call has its response: ends the source once those who still send have come to the end. */
  closeWhenSent(): void {
    this.#closing = true
    if (!this.sending) this.close()
  }

  /**
   * Ends the source, if it has not come to its end by itself, and frees the recording.
   * @param reason what ended the call, for a stream's listeners
   */
  close(reason?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#readers.clear()
    this.#chunks = []
    this.#destroy?.(this.ended ? undefined : reason)
    if (!this.ended && !this.failed) void this.#endSource()
  }

  async #endSource(): Promise<void> {
    try {
      await this.#source?.return?.()
    } catch {
      // the call is over: a source that fails to clean up after itself has nobody left to tell
    }
  }
}

/** What undici reports when a stream that it sends is destroyed without an error. */
function errorOfStream(error: unknown): unknown {
  const { code } = error as { code?: unknown }
  return code === 'ERR_STREAM_PREMATURE_CLOSE' ? new errors.RequestAbortedError() : error
}

/** @throws TypeError for what undici could not send: the source's fault, and not the server's */
function checkedChunk(chunk: unknown): BodyChunk {
  if (typeof chunk === 'string' || ArrayBuffer.isView(chunk)) return chunk as BodyChunk
  const error = new TypeError(`a request body must yield strings or bytes, got ${typeof chunk}`)
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' })
}

function copyOf(chunk: BodyChunk): BodyChunk {
  return typeof chunk === 'string' ? chunk : Uint8Array.prototype.slice.call(chunk)
}
