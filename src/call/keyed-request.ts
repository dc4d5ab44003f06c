import type { Dispatcher } from 'undici'
import { headerValue } from '../http/headers.ts'
import { isIdempotentMethod } from '../http/idempotent-methods.ts'
import { sha256 } from '../http/sha256.ts'
import type { Call } from './call.ts'

/** Of a larger body the length has to do: its hash would hold up the event loop. */
const MAX_HASHED = 64 * 1024

/** Said once: a scope around several calls is a habit of the code, not of one call. */
let told = false

/**
 * The one request that the idempotency key of a scope is for: the first in it that is not idempotent by its method. Of two
 * requests with one key a provider does the second not at all, so another one goes without: one with another method, url
 * or body, and one that is made while the first is under way or after it was answered. The same request keeps it: as a
 * retry of whoever stands between the scope and us, made once the last try has failed, and as a redirect of `fetch`, which
 * is a dispatch of its own.
 */
export class KeyedRequest {
  readonly #key: string
  #call: Call | undefined
  #body = ''
  #state: 'under-way' | 'answered' | 'failed' = 'under-way'

  constructor(key: string) {
    this.#key = key
  }

  /** Gives a call the key, if it is the one. To be told of each, before its first attempt. */
  give(call: Call): void {
    if (isIdempotentMethod(call.method) || call.idempotencyKey !== undefined) return
    const body = fingerprint(call.options)
    if (this.#call !== undefined && !this.#isSame(this.#call, call, body)) {
      tellOfOther(this.#call, call)
      return
    }
    this.#call = call
    this.#body = body
    this.#state = 'under-way'
    call.setIdempotencyKey(this.#key)
  }

  ended(call: Call, error: Error | undefined): void {
    if (call !== this.#call) return
    const { statusCode = 0, verdict } = call.attempt
    const took = statusCode < 400 && (verdict?.kind ?? 'success') === 'success'
    this.#state = error === undefined && took ? 'answered' : 'failed'
  }

  #isSame(last: Call, call: Call, body: string): boolean {
    if (call.method !== last.method || body !== this.#body) return false
    const { statusCode } = last.attempt
    // fetch goes on to the new place before it has let go of the old one
    if (statusCode === 307 || statusCode === 308) return true
    return this.#state === 'failed' && call.url === last.url
  }
}

/** What can be known of a body before it is sent: that of `fetch` is an iterable, of which the headers tell the length. */
function fingerprint({ headers, body }: Dispatcher.DispatchOptions): string {
  if ((typeof body === 'string' || body instanceof Uint8Array) && body.length <= MAX_HASHED) {
    return sha256(Buffer.from(body as string))
  }
  const { size, byteLength, length } = (body ?? {}) as {
    size?: unknown
    byteLength?: unknown
    length?: unknown
  }
  return String(headerValue(headers, 'content-length') ?? size ?? byteLength ?? length)
}

function tellOfOther(keyed: Call, other: Call): void {
  if (told) return
  told = true
  process.emitWarning(
    `${other.method} ${other.redactedUrl} goes without the idempotency key of \`withCallOptions\`, which is that of one ` +
      `request: ${keyed.method} ${keyed.redactedUrl} has it; give each its own \`withCallOptions\``,
    'ResilienceWarning',
  )
}
