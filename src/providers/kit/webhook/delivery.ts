/** A webhook as it came in. */
export interface WebhookDelivery {
  /** `request.headers` of Node, Express or Fastify, or the `Headers` of a Web request. */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>
  /**
   * The body before anything parsed it: the signature is of its bytes, and JSON that was parsed and written again has others.
   * `await request.text()`, `express.raw({ type: '*\/*' })`, Fastify's `parseAs: 'buffer'`.
   */
  readonly body: string | Uint8Array
}

/** A webhook whose signature covers where it was sent. */
export interface AddressedDelivery extends WebhookDelivery {
  /** The whole url that the provider called, query included: behind a proxy not the one that the server sees. */
  readonly url: string
}

/** A header; `undefined` where it is missing or empty, the first where it came more than once. */
export function headerOf({ headers }: WebhookDelivery, name: string): string | undefined {
  const value = hasGet(headers)
    ? headers.get(name)
    : Object.entries(headers).find(([own]) => own.toLowerCase() === name)?.[1]
  const first = typeof value === 'string' ? value : value?.[0]
  return first === undefined || first === '' ? undefined : first
}

/** `Headers` of whichever fetch: that of Node and that of undici are two classes. */
function hasGet(headers: WebhookDelivery['headers']): headers is Headers {
  return typeof headers.get === 'function'
}

/** What was given, without what is in it: it is somebody's data. */
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : `a value of type ${typeof value}`
}

/** @throws TypeError for a body that was parsed: no signature could be checked with it */
export function rawBody({ body }: WebhookDelivery): Uint8Array {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return body
  throw new TypeError(`\`body\` must be the raw body, a string or bytes, got ${kindOf(body)}: was it parsed?`)
}

/** @throws TypeError for what is no whole url */
export function wholeUrl({ url }: AddressedDelivery): string {
  if (typeof url === 'string' && /^https?:\/\/./.test(url)) return url
  throw new TypeError(
    `\`url\` must be the whole url that the provider called, with http or https, got ${typeof url === 'string' ? 'another string' : kindOf(url)}`,
  )
}
