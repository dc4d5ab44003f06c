import { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { headerValue, withHeader } from '../../http/headers.ts'
import { isFormLike, serializeForm } from './multipart.ts'
import { type BodyChunk, RecordedBody } from './recorded-body.ts'

type Body = Exclude<Dispatcher.DispatchOptions['body'], undefined>

/** Whether undici can send this body any number of times as it is. */
export function isRereadableAsGiven(body: unknown): boolean {
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
export function makeRereadable(
  options: Dispatcher.DispatchOptions,
  onSourceError: (error: unknown) => void,
): RecordedBody | undefined {
  const body: unknown = options.body
  if (body === null || body === undefined || isRereadableAsGiven(body)) return undefined
  if (isFormLike(body)) {
    const blob = serializeForm(body)
    options.body = blob as unknown as Body
    if (headerValue(options.headers, 'content-type') === undefined) {
      options.headers = withHeader(options.headers, 'content-type', blob.type) as never
    }
    return undefined
  }
  if (typeof body !== 'object' || !(Symbol.asyncIterator in body || Symbol.iterator in body)) return undefined
  let destroy: ((reason?: Error) => void) | undefined
  if (body instanceof Readable) {
    // undici listens for errors of a stream from the start; behind the recording it no longer sees the stream
    body.on('error', onSourceError)
    destroy = (reason) => {
      // node closes the socket of an IncomingMessage that is destroyed, and with it the client of a reverse proxy
      // (nodejs/node#38505); undici does the same before it destroys one
      if (body instanceof IncomingMessage) (body as { socket: unknown }).socket = null
      body.destroy(reason)
    }
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
  if (
    contentLength(options) !== undefined ||
    headerValue(options.headers, 'transfer-encoding') !== undefined
  ) {
    return
  }
  options.headers = withHeader(options.headers, 'content-length', String(state.length)) as never
}

/** Whether an attempt of this body would send it whole. */
export function isRereadable(body: unknown): boolean {
  return !(body instanceof RecordedBody) || body.rereadable
}

/** Whether this body is read while it is sent: hooks that are asked later may see more of it. */
export function isRecorded(body: unknown): boolean {
  return body instanceof RecordedBody
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
  /** Why it is not complete; `not-read`: there was no room for it. */
  reason?: 'too-large' | 'source-failed' | 'cut-short' | 'timeout' | 'not-read'
}

/** The bytes of a body that is there whole, without waiting for any; those that were given are not copied. */
export function bytesAtHand(body: unknown): Buffer | undefined {
  if (typeof body === 'string') return Buffer.from(body)
  if (ArrayBuffer.isView(body)) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (body instanceof ArrayBuffer) return Buffer.from(body)
  return body instanceof RecordedBody && body.complete ? body.recorded() : undefined
}

/** The most bytes that `captureBody` would bring into memory; found out without copying any. */
export function mostCaptured(body: unknown, maxBytes: number): number {
  const size = sizeToCapture(body, maxBytes)
  return size > maxBytes ? 0 : size
}

function sizeToCapture(body: unknown, maxBytes: number): number {
  if (body instanceof RecordedBody) {
    if (body.overflowed || body.failed) return 0
    return body.length ?? Math.max(maxBytes, body.bytes)
  }
  if (body instanceof Blob) return body.size
  if (typeof body === 'string') return Buffer.byteLength(body)
  return ArrayBuffer.isView(body) || body instanceof ArrayBuffer ? body.byteLength : 0
}

/** Reads a body for a record, draining what was never sent for at most `timeoutMs`. */
export async function captureBody(body: unknown, maxBytes: number, timeoutMs: number): Promise<CapturedBody> {
  if (body === null || body === undefined) return { size: 0, complete: true }
  if (body instanceof RecordedBody) return captureRecorded(body, maxBytes, timeoutMs)
  if (body instanceof Blob) {
    if (body.size > maxBytes) return { size: body.size, complete: false, reason: 'too-large' }
    return whole(Buffer.from(await body.arrayBuffer()))
  }
  const size = sizeToCapture(body, maxBytes)
  if (size > maxBytes) return { size, complete: false, reason: 'too-large' }
  const bytes = bytesAtHand(body)
  if (bytes === undefined) return { size: 0, complete: false, reason: 'source-failed' }
  // a copy: the caller may go on to use its buffer
  return whole(typeof body === 'string' ? bytes : Buffer.from(bytes))
}

async function captureRecorded(
  body: RecordedBody,
  maxBytes: number,
  timeoutMs: number,
): Promise<CapturedBody> {
  const { length = body.bytes } = body
  if (length > maxBytes) return { size: length, complete: false, reason: 'too-large' }
  if (!body.ended && !body.overflowed) await body.drain(timeoutMs, maxBytes)
  if (body.overflowed || body.bytes > maxBytes) {
    return { size: body.bytes, complete: false, reason: 'too-large' }
  }
  if (body.failed) return { size: body.bytes, complete: false, reason: 'source-failed' }
  if (!body.ended) return { size: body.bytes, complete: false, reason: 'timeout' }
  if (!body.complete) return { size: body.bytes, complete: false, reason: 'cut-short' }
  return whole(body.recorded())
}

function whole(bytes: Buffer): CapturedBody {
  return { bytes, size: bytes.byteLength, complete: true }
}
