import { redactLink } from '../../../http/secrets/redacted-text.ts'
import { isSecretName } from '../../../http/secrets/secret-names.ts'
import { isKeptHeader } from '../kept-headers.ts'
import type { RedactionRules } from './rules.ts'

/** Made anew for every request: not kept, and not missing at a replay. */
const transportHeaders = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'sec-fetch-mode',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a header carries a credential by its name (lower case): never kept, whatever the options say. */
export function isCredentialHeader(name: string): boolean {
  return isSecretName(name, 'header')
}

export function isTransportHeader(name: string): boolean {
  return transportHeaders.has(name)
}

type Headers = Readonly<Record<string, string | readonly string[]>>

/** What headers say of a body. */
export interface BodyKind {
  readonly type: string
  /** The `content-encoding` header; empty without one. */
  readonly encoding: string
}

export function bodyKind(headers: Headers): BodyKind {
  return { type: String(headers['content-type'] ?? ''), encoding: String(headers['content-encoding'] ?? '') }
}

interface RedactedHeaders {
  kept: Record<string, string | string[]>
  /** Lower-case names of those that were sent and are not kept. */
  omitted: string[]
  /** Those of `omitted` that hold no credential by their name, as sent: for sealing. */
  others: Record<string, string | string[]>
}

/** Of a request: what is kept is kept verbatim, since a replay sends it. */
export function redactHeaders(
  headers: Iterable<readonly [string, string]>,
  rules: RedactionRules,
): RedactedHeaders {
  const kept = Object.create(null) as RedactedHeaders['kept']
  const others = Object.create(null) as RedactedHeaders['others']
  const omitted = new Set<string>()
  for (const [given, value] of headers) {
    const name = given.toLowerCase()
    if (transportHeaders.has(name)) continue
    const known = isKeptHeader(name) || rules.keepHeaders.has(name)
    if (isCredentialHeader(name)) omitted.add(name)
    else if (known && !rules.headers.has(name) && shownValue(name, value, rules) === value) {
      append(kept, name, value)
    } else {
      omitted.add(name)
      append(others, name, value)
    }
  }
  return { kept, omitted: [...omitted], others }
}

/** Of a response: nothing is sent again, so of a `link` the targets stay without their secrets. */
export function redactResponseHeaders(
  headers: Iterable<readonly [string, string]>,
  rules: RedactionRules,
): Record<string, string | string[]> {
  const kept = Object.create(null) as Record<string, string | string[]>
  const { kept: verbatim, others } = redactHeaders(headers, { ...rules, headers: new Set() })
  for (const [name, value] of Object.entries(verbatim)) {
    for (const one of [value].flat()) append(kept, name, one)
  }
  for (const one of [others['link'] ?? []].flat()) append(kept, 'link', shownValue('link', one, rules))
  return kept
}

function shownValue(name: string, value: string, rules: RedactionRules): string {
  return name === 'link' ? redactLink(value, rules.url) : value
}

function append(headers: Record<string, string | string[]>, name: string, value: string): void {
  const before = headers[name]
  headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
}
