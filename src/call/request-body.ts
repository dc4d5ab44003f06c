import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { headerValue, withHeader } from './headers.ts'
import { isFormLike, serializeForm } from './multipart.ts'
import { type BodyChunk, RecordedBody } from './recorded-body.ts'

type Body = Exclude<Dispatcher.DispatchOptions['body'], undefined>

/** Whether undici can send this body any number of times as it is. */
export function isRepeatable(body: unknown): boolean {
  return (
    typeof body === 'string' ||
    ArrayBuffer.isView(body) ||
    body instanceof ArrayBuffer ||
    body instanceof Blob
  )
}

/**
 * Makes the body of `options` one that every attempt can send: bytes and blobs are left as they are, a form is
 * serialised once, and a one-shot source (every fetch body, a stream, an iterable) is recorded as it is sent.
 */
export function makeRepeatable(
  options: Dispatcher.DispatchOptions,
  onSourceError: (error: unknown) => void,
): RecordedBody | undefined {
  const body: unknown = options.body
  if (body === null || body === undefined || isRepeatable(body)) return undefined
  if (isFormLike(body)) {
    const blob = serializeForm(body)
    options.body = blob as unknown as Body
    if (headerValue(options.headers, 'content-type') === undefined) {
      options.headers = withHeader(options.headers, 'content-type', blob.type) as never
    }
    return undefined
  }
  if (typeof body !== 'object' || !(Symbol.asyncIterator in body || Symbol.iterator in body)) return undefined
  let destroy: (() => void) | undefined
  if (body instanceof Readable) {
    // undici listens for errors of a stream from the start; behind the recording it no longer sees the stream
    body.on('error', onSourceError)
    destroy = () => void body.destroy()
    declareLength(options, body)
  }
  const length = contentLength(options)
  const recorded = new RecordedBody(body as AsyncIterable<BodyChunk>, length, onSourceError, destroy)
  options.body = recorded as unknown as Body
  return recorded
}

/** undici knows the length of a stream that has come to its end already; behind the recording it would not. */
function declareLength(options: Dispatcher.DispatchOptions, stream: Readable): void {
  const state = (stream as { _readableState?: { ended?: boolean; objectMode?: boolean; length?: number } })
    ._readableState
  if (state?.ended !== true || state.objectMode !== false || state.length === undefined) return
  if (contentLength(options) !== undefined || headerValue(options.headers, 'transfer-encoding') !== undefined)
    return
  options.headers = withHeader(options.headers, 'content-length', String(state.length)) as never
}

/** Whether an attempt of this body would send it whole. */
export function isReplayable(body: unknown): boolean {
  return !(body instanceof RecordedBody) || body.replayable
}

/** Whether an attempt is in the middle of sending this body. */
export function isBeingSent(body: unknown): boolean {
  return body instanceof RecordedBody && body.sending
}

function contentLength(options: Dispatcher.DispatchOptions): number | undefined {
  const text = headerValue(options.headers, 'content-length')
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** What is known of a body for a record of the call. */
export interface CapturedBody {
  /** The whole body; missing when there is none, or when it cannot be had. */
  bytes?: Buffer
  /** Bytes seen; the size of the body when `complete`. */
  size: number
  complete: boolean
  /** Why it is not complete: `too-large`, `source-failed`, `cut-short`, `timeout`. */
  reason?: 'too-large' | 'source-failed' | 'cut-short' | 'timeout'
}

/** Reads a body for a record, draining what was never sent for at most `timeoutMs`. */
export async function captureBody(body: unknown, maxBytes: number, timeoutMs: number): Promise<CapturedBody> {
  if (body === null || body === undefined) return { size: 0, complete: true }
  if (body instanceof RecordedBody) return captureRecorded(body, maxBytes, timeoutMs)
  if (body instanceof Blob) {
    if (body.size > maxBytes) return { size: body.size, complete: false, reason: 'too-large' }
    return whole(Buffer.from(await body.arrayBuffer()))
  }
  const bytes =
    typeof body === 'string'
      ? Buffer.from(body)
      : ArrayBuffer.isView(body)
        ? Buffer.from(body.buffer, body.byteOffset, body.byteLength)
        : body instanceof ArrayBuffer
          ? Buffer.from(body)
          : undefined
  if (bytes === undefined) return { size: 0, complete: false, reason: 'source-failed' }
  // a copy: the caller may go on to use its buffer
  return bytes.byteLength > maxBytes
    ? { size: bytes.byteLength, complete: false, reason: 'too-large' }
    : whole(Buffer.from(bytes))
}

async function captureRecorded(
  body: RecordedBody,
  maxBytes: number,
  timeoutMs: number,
): Promise<CapturedBody> {
  if (!body.overflowed) await body.drain(timeoutMs)
  if (body.overflowed || body.bytes > maxBytes)
    return { size: body.bytes, complete: false, reason: 'too-large' }
  if (body.failed) return { size: body.bytes, complete: false, reason: 'source-failed' }
  if (!body.ended) return { size: body.bytes, complete: false, reason: 'timeout' }
  if (!body.complete) return { size: body.bytes, complete: false, reason: 'cut-short' }
  return whole(body.recorded())
}

function whole(bytes: Buffer): CapturedBody {
  return { bytes, size: bytes.byteLength, complete: true }
}
