import { isWordForNothing } from '../../../http/nothing.ts'
import { isPathRedacted, REDACTED } from '../../../http/secrets/redacted-url.ts'
import { isSecretName } from '../../../http/secrets/secret-names.ts'
import { bodyFault, headerFault, isLatin1, methodFault, urlFault } from '../../../http/sendable-request.ts'
import { type DeadLetter, idempotencyKeyOf } from '../../record/record.ts'
import { isCredentialHeader, isTransportHeader } from '../../record/redaction/headers.ts'
import { SealError, type Seal, type SealedRequest } from '../../record/sealing.ts'
import { missingOf, missingText } from './missing.ts'

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
  /** Headers of the call, in lower case, without which it is sent since `missingHeaders: 'send'` says so. */
  readonly lacks: readonly string[]
}

/** The entry must not be sent. */
export class ReplayRefusedError extends Error {
  readonly code = 'ERR_REPLAY_REFUSED'
  override readonly name = 'ReplayRefusedError'
  /** The entry itself is wrong (forged, damaged): it is quarantined. Otherwise something is missing that a later replay may have. */
  readonly forGood: boolean

  constructor(message: string, forGood: boolean) {
    super(message)
    this.forGood = forGood
  }
}

export interface ReplayRules {
  readonly allowedOrigins: ReadonlySet<string>
  readonly seal: Seal | undefined
  /** Whether a header that was not kept and that `credentials` does not give stops the replay. */
  readonly requireHeaders: boolean
  /** An entry without a seal is not sent: whoever can write the store could have written it. */
  readonly requireSeal: boolean
}

/** Where an entry would go, checked before `credentials` is asked: who can write the store can forge an entry. */
export function checkedTarget(entry: DeadLetter, allowedOrigins: ReadonlySet<string>): URL {
  const { url: text, method } = entry.request
  refuse('its url', urlFault(text), true)
  const url = new URL(text)
  if (!allowedOrigins.has(url.origin)) {
    throw new ReplayRefusedError(
      `its origin ${JSON.stringify(url.origin)} is not in \`allowedOrigins\``,
      true,
    )
  }
  refuse('its method', methodFault(method), true)
  return url
}

function refuse(part: string, fault: string | undefined, forGood: boolean): void {
  if (fault !== undefined) throw new ReplayRefusedError(`${part} ${fault}`, forGood)
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
  const sealed = opened(entry, rules)
  const target = { ...entry, request: { ...entry.request, url: sealed?.url ?? entry.request.url } }
  const url = checkedTarget(target, rules.allowedOrigins)
  // the sealed url is the same place: the origin is part of what the seal is bound to
  if (sealed === undefined && isPathRedacted(entry.request.url)) {
    throw new ReplayRefusedError('its path was redacted', true)
  }
  const missingQuery = sealed === undefined ? withQuery(url, query) : []
  const headers = Object.create(null) as ReplayRequest['headers']
  const unsendable: string[] = []
  for (const [name, value] of [
    ...Object.entries(entry.request.headers),
    ...Object.entries(sealed?.headers ?? {}),
  ]) {
    if (!take(headers, name, value)) unsendable.push(name.toLowerCase())
  }
  const key = idempotencyKeyOf(entry)
  if (key !== undefined) {
    const name = entry.idempotencyHeader ?? 'idempotency-key'
    if (!take(headers, name, key)) unsendable.push(name)
  }
  for (const [name, value] of Object.entries(added)) {
    refuse('the credential header', headerFault(name, value), false)
    if (isTransportHeader(name.toLowerCase())) {
      throw new ReplayRefusedError(`\`credentials\` must not set the header ${JSON.stringify(name)}`, false)
    }
    headers[name.toLowerCase()] = value
  }
  const missing = missingOf(entry, headers, { unsendable, query: missingQuery })
  const refused = missingText(rules.requireHeaders ? missing : { ...noHeaders, query: missingQuery })
  if (refused !== undefined) throw new ReplayRefusedError(refused, false)
  const lacks = [...missing.credentials, ...missing.headers, ...missing.unsendable]
  return { url, method: entry.request.method, headers, body: checkedBody(entry, sealed), lacks }
}

const noHeaders = { credentials: [], empty: [], headers: [], unsendable: [] }

/** Both forms of credentials as one. */
export function splitCredentials(credentials: ReplayCredentials): {
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

function opened(entry: DeadLetter, { seal, requireSeal }: ReplayRules): SealedRequest | undefined {
  if (entry.sealed === undefined) {
    if (!requireSeal) return undefined
    throw new ReplayRefusedError('it has no seal, and `requireSeal` is set', false)
  }
  if (seal === undefined) {
    if (
      entry.request.bodyRedacted !== true &&
      !isPathRedacted(entry.request.url) &&
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

/** Puts the values in; returns the names of those that nobody gives. */
function withQuery(url: URL, query: Readonly<Record<string, string>>): string[] {
  if (!url.search.includes(REDACTED)) return []
  const missing = new Set<string>()
  // the URL parser leaves brackets in a query as they are
  const parts = url.search
    .slice(1)
    .split(/([&;])/)
    .map((part) => {
      const equals = part.indexOf('=')
      const name = part.slice(0, equals)
      if (equals === -1 || part.slice(equals + 1) !== REDACTED) return part
      const value = Object.hasOwn(query, name) ? query[name]! : ''
      // a parameter that is no secret by its name, but by `redact`, may have the word for its value
      if (value === '' || (isSecretName(name, 'url') && isWordForNothing(value))) missing.add(name)
      return `${name}=${encodeURIComponent(value)}`
    })
  url.search = parts.join('')
  return [...missing]
}

/** Returns whether it can be sent. What is forged is refused. */
function take(headers: ReplayRequest['headers'], given: string, value: string | readonly string[]): boolean {
  const name = given.toLowerCase()
  // made by undici for the new request; and a credential in the store was put there by somebody else
  if (isTransportHeader(name) || isCredentialHeader(name) || name === 'expect') return true
  const values = typeof value === 'string' ? [value] : value
  refuse('its header', headerFault(name, values.filter(isLatin1)), true)
  if (!values.every(isLatin1)) return false
  headers[name] = typeof value === 'string' ? value : [...value]
  return true
}

function checkedBody(entry: DeadLetter, sealed: SealedRequest | undefined): Uint8Array | undefined {
  if (sealed === undefined && entry.request.bodyRedacted === true) {
    throw new ReplayRefusedError('its body was redacted', true)
  }
  const body = sealed === undefined ? entry.request.body : sealed.body
  refuse('its body', bodyFault(body, entry.request), true)
  return body
}
