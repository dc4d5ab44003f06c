import type { Call } from './call.ts'
import { eachHeader } from './headers.ts'

/** The request of a call, as hooks of the user see it. */
export class CallRequest {
  readonly method: string
  readonly origin: string
  /** Path and query as asked for. */
  readonly path: string
  readonly #call: Call
  #headers: Record<string, string> | undefined

  constructor(call: Call) {
    this.method = call.method
    this.origin = call.origin
    this.path = call.options.path
    this.#call = call
  }

  /** The whole url; it may hold secrets. */
  get url(): string {
    return this.#call.url
  }

  /** By lower-case name; several values of one name are joined by a comma. */
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
