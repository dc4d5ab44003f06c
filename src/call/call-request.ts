import { eachHeader } from '../http/headers.ts'
import { bytesAtHand } from './body/request-body.ts'
import type { Call } from './call.ts'

/** The request of a call, as hooks of the user see it. */
export interface CallRequest {
  /** In capitals. */
  readonly method: string
  /** `https://api.example.com`; empty where the dispatcher knows it alone. */
  readonly origin: string
  /** Path and query as asked for. */
  readonly path: string
  /** The whole url; it may hold secrets. */
  readonly url: string
  /** By lower-case name; several values of one name are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * The body, where it is there whole: bytes and strings as given, and what was recorded while it was sent. `undefined`
   * where there is none, before it was sent, beyond `retry.maxBodyBytes`, and for forms and blobs. Not to be changed.
   */
  readonly body: Uint8Array | undefined
}

/** @param body its body, where it is known already: once a call is over, what was recorded is let go of */
export function requestOf(call: Call, body?: Uint8Array): CallRequest {
  return new RequestView(call, body)
}

/** Makes what costs something only when it is looked at. */
class RequestView implements CallRequest {
  readonly method: string
  readonly origin: string
  readonly path: string
  readonly #call: Call
  #headers: Record<string, string> | undefined
  #body: Uint8Array | undefined

  constructor(call: Call, body: Uint8Array | undefined) {
    this.method = call.method
    this.origin = call.origin
    this.path = call.options.path
    this.#call = call
    this.#body = body
  }

  get url(): string {
    return this.#call.url
  }

  get body(): Uint8Array | undefined {
    return (this.#body ??= bytesAtHand(this.#call.options.body))
  }

  get headers(): Readonly<Record<string, string>> {
    if (this.#headers === undefined) {
      const headers = Object.create(null) as Record<string, string>
      for (const [name, value] of eachHeader(this.#call.options.headers)) {
        const key = name.toLowerCase()
        headers[key] = key in headers ? `${headers[key]}, ${value}` : value
      }
      this.#headers = headers
    }
    return this.#headers
  }
}
