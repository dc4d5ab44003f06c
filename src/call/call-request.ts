import type { Call } from './call.ts'
import { eachHeader } from './headers.ts'

/** The request of a call, as hooks of the user see it. */
export interface CallRequest {
  readonly method: string
  readonly origin: string
  /** Path and query as asked for. */
  readonly path: string
  /** The whole url; it may hold secrets. */
  readonly url: string
  /** By lower-case name; several values of one name are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
}

export function requestOf(call: Call): CallRequest {
  return new RequestView(call)
}

/** Makes what costs something only when it is looked at. */
class RequestView implements CallRequest {
  readonly method: string
  readonly origin: string
  readonly path: string
  readonly #call: Call
  #headers: Record<string, string> | undefined

  constructor(call: Call) {
    this.method = call.method
    this.origin = call.origin
    this.path = call.options.path
    this.#call = call
  }

  get url(): string {
    return this.#call.url
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
