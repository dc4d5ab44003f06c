import { REDACTED } from '../call/redacted-url.ts'
import { sha256 } from './capture.ts'
import type { DeadLetter } from './record.ts'
import { isCredentialHeader, isTransportHeader } from './redaction.ts'
import { SealError, type Seal, type SealedRequest } from './sealing.ts'

/** What `credentials` gives back for an entry: headers, or headers and query parameters. */
export type ReplayCredentials =
  | Readonly<Record<string, string>>
  | { readonly headers?: Readonly<Record<string, string>>; readonly query?: Readonly<Record<string, string>> }

/** A request ready to be sent. */
export interface ReplayRequest {
  readonly url: URL
  readonly method: string
  readonly headers: Record<string, string | string[]>
  readonly body: Uint8Array | undefined
}

/** The entry must not be sent. */
export class ReplayRefusedError extends Error {
  readonly code = 'ERR_REPLAY_REFUSED'
  override readonly name = 'ReplayRefusedError'
  /** The entry itself is wrong (forged, damaged): it is quarantined. Otherwise something is missing that may come. */
  readonly forGood: boolean

  constructor(message: string, forGood: boolean) {
    super(message)
    this.forGood = forGood
  }
}

export interface ReplayRules {
  readonly allowedOrigins: ReadonlySet<string>
  readonly seal: Seal | undefined
  /** Whether a header that was not kept and is given by nobody stops the replay. */
  readonly requireHeaders: boolean
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/

/** Where an entry would go, before anything is asked for it. Whoever can write the store can forge an entry. */
export function checkedTarget(entry: DeadLetter, allowedOrigins: ReadonlySet<string>): URL {
  const { url: text, method } = entry.request
  if (controls.test(text) || !URL.canParse(text)) throw new ReplayRefusedError('its url is malformed', true)
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new ReplayRefusedError(`its protocol ${JSON.stringify(url.protocol)} is not http or https`, true)
  }
  if (url.username !== '' || url.password !== '')
    throw new ReplayRefusedError('its url holds a user name', true)
  if (!allowedOrigins.has(url.origin)) {
    throw new ReplayRefusedError(
      `its origin ${JSON.stringify(url.origin)} is not in \`allowedOrigins\``,
      true,
    )
  }
  if (!token.test(method) || method === 'CONNECT')
    throw new ReplayRefusedError('its method cannot be replayed', true)
  return url
}

/**
 * The request of an entry, as it was sent, with credentials attached.
 * @throws {ReplayRefusedError}
 */
export function replayRequest(
  entry: DeadLetter,
  credentials: ReplayCredentials,
  rules: ReplayRules,
): ReplayRequest {
  const { headers: added, query } = splitCredentials(credentials)
  const sealed = opened(entry, rules.seal)
  const target = { ...entry, request: { ...entry.request, url: sealed?.url ?? entry.request.url } }
  const url = checkedTarget(target, rules.allowedOrigins)
  // the sealed url is the same place: the origin is part of what the seal is bound to
  if (sealed === undefined) withQuery(url, entry.request.redactedQuery ?? [], query)
  const headers = Object.create(null) as ReplayRequest['headers']
  for (const [name, value] of Object.entries(entry.request.headers)) take(headers, name, value)
  for (const [name, value] of Object.entries(sealed?.headers ?? {})) take(headers, name, value)
  if (entry.idempotencyKey !== undefined) {
    take(headers, entry.idempotencyHeader ?? 'idempotency-key', entry.idempotencyKey)
  }
  for (const [name, value] of Object.entries(added)) {
    checkHeader(name, value, false)
    if (isTransportHeader(name.toLowerCase())) {
      throw new ReplayRefusedError(`\`credentials\` must not set the header ${JSON.stringify(name)}`, false)
    }
    headers[name.toLowerCase()] = value
  }
  if (rules.requireHeaders) {
    for (const name of entry.request.omittedHeaders ?? []) {
      // a missing credential is answered by the server with 401; any other header may change what the request does
      if (name in headers || isCredentialHeader(name)) continue
      throw new ReplayRefusedError(
        `the header ${JSON.stringify(name)} was not kept: give it in \`credentials\`, keep it with \`redact.keepHeaders\`, or seal`,
        false,
      )
    }
  }
  return { url, method: entry.request.method, headers, body: checkedBody(entry, sealed) }
}

function splitCredentials(credentials: ReplayCredentials): {
  headers: Readonly<Record<string, string>>
  query: Readonly<Record<string, string>>
} {
  const { headers, query } = credentials as { headers?: unknown; query?: unknown }
  if (typeof headers === 'object' || typeof query === 'object') {
    const split = credentials as { headers?: Record<string, string>; query?: Record<string, string> }
    return { headers: split.headers ?? {}, query: split.query ?? {} }
  }
  return { headers: credentials as Readonly<Record<string, string>>, query: {} }
}

function opened(entry: DeadLetter, seal: Seal | undefined): SealedRequest | undefined {
  if (entry.sealed === undefined) return undefined
  if (seal === undefined) {
    if (
      entry.request.bodyRedacted !== true &&
      (entry.request.body?.byteLength ?? 0) === entry.request.bytes
    ) {
      return undefined
    }
    throw new ReplayRefusedError('it is sealed, and no `seal` keys were given', false)
  }
  try {
    return seal.open(entry)
  } catch (error) {
    if (error instanceof SealError) throw new ReplayRefusedError(error.message, false)
    throw error
  }
}

function withQuery(url: URL, redacted: readonly string[], query: Readonly<Record<string, string>>): void {
  if (redacted.length === 0) return
  const missing = new Set<string>()
  const pairs = url.search
    .slice(1)
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=')
      const name = pair.slice(0, equals)
      // the URL parser leaves brackets in a query as they are
      if (equals === -1 || pair.slice(equals + 1) !== REDACTED) return pair
      if (!Object.hasOwn(query, name)) missing.add(name)
      return `${name}=${encodeURIComponent(query[name] ?? '')}`
    })
  if (missing.size > 0) {
    throw new ReplayRefusedError(
      `the query parameter ${[...missing].map((name) => JSON.stringify(name)).join(', ')} was not kept: give it in \`credentials\` as \`query\`, or seal`,
      false,
    )
  }
  url.search = pairs.join('&')
}

function take(headers: ReplayRequest['headers'], given: string, value: string | readonly string[]): void {
  const name = given.toLowerCase()
  // made by undici for the new request; and a credential in the store was put there by somebody else
  if (isTransportHeader(name) || isCredentialHeader(name) || name === 'expect') return
  for (const one of typeof value === 'string' ? [value] : value) checkHeader(name, one, true)
  headers[name] = typeof value === 'string' ? value : [...value]
}

function checkHeader(name: string, value: unknown, stored: boolean): void {
  const whose = stored ? 'its' : 'the credential'
  if (!token.test(name))
    throw new ReplayRefusedError(`${whose} header name ${JSON.stringify(name)} is malformed`, stored)
  if (typeof value !== 'string')
    throw new ReplayRefusedError(`${whose} header ${JSON.stringify(name)} is no string`, stored)
  // the value may be a secret: it is not said
  if (controls.test(value)) {
    throw new ReplayRefusedError(`${whose} header ${JSON.stringify(name)} holds a control character`, stored)
  }
}

function checkedBody(entry: DeadLetter, sealed: SealedRequest | undefined): Uint8Array | undefined {
  const { bytes, sha256: digest, bodyRedacted } = entry.request
  const body = sealed === undefined ? entry.request.body : sealed.body
  if (sealed === undefined && bodyRedacted === true)
    throw new ReplayRefusedError('its body was redacted', true)
  if ((body?.byteLength ?? 0) !== bytes) {
    throw new ReplayRefusedError(
      `its body has ${body?.byteLength ?? 0} bytes, the request had ${bytes}`,
      true,
    )
  }
  if (body !== undefined && bytes > 0 && sha256(body) !== digest) {
    throw new ReplayRefusedError('its body is not the one that was captured: the hash differs', true)
  }
  return body
}
