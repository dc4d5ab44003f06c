import { isSecretName, REDACTED, redactUrl } from '../call/redacted-url.ts'

/** Headers whose values are kept: they say what the body is and which call this was, and hold no credential. */
const keptHeaders = new Set([
  'accept',
  'accept-language',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'date',
  'expect',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'link',
  'prefer',
  'range',
  'retry-after',
  'server',
  'traceparent',
  'tracestate',
  'user-agent',
  'vary',
  'via',
])

/** Ids and limits of providers, under many names. */
const keptPattern =
  /^(x-)?(request-?id|correlation-?id|trace-?id|api-?version)$|rate-?limit|request-?id$|^cf-ray$/

/** Made anew for every connection; neither kept nor missed. */
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

const credentialHeaders = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-auth',
  'x-key',
])

/** Whether a header carries a credential by its name (lower case): never kept, whatever the options say. */
export function isCredentialHeader(name: string): boolean {
  return credentialHeaders.has(name) || isSecretName(name)
}

export function isTransportHeader(name: string): boolean {
  return transportHeaders.has(name)
}

/** What the `redact` option adds to the defaults; all names in lower case. */
export interface RedactionRules {
  /** Never kept, though the defaults would. */
  readonly headers: ReadonlySet<string>
  /** Kept beside the defaults; credentials are not, even when named here. */
  readonly keepHeaders: ReadonlySet<string>
  /** Further query parameters whose values are secret. */
  readonly query: ReadonlySet<string>
  /** Further body fields whose values are secret; `undefined`: bodies are kept as they are. */
  readonly body: ReadonlySet<string> | undefined
}

export const defaultRules: RedactionRules = {
  headers: new Set(),
  keepHeaders: new Set(),
  query: new Set(),
  body: new Set(),
}

export interface RedactedHeaders {
  kept: Record<string, string | string[]>
  /** Lower-case names of those that were sent and are not kept. */
  omitted: string[]
  /** Those of `omitted` that hold no credential by their name, as sent: for sealing. */
  others: Record<string, string | string[]>
}

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
    const known = keptHeaders.has(name) || keptPattern.test(name) || rules.keepHeaders.has(name)
    if (isCredentialHeader(name)) omitted.add(name)
    else if (known && !rules.headers.has(name)) append(kept, name, value)
    else {
      omitted.add(name)
      append(others, name, value)
    }
  }
  return { kept, omitted: [...omitted], others }
}

function append(headers: Record<string, string | string[]>, name: string, value: string): void {
  const before = headers[name]
  headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
}

/** The url to keep, and the names of the query parameters whose values it no longer has. */
export function redactQuery(url: string, rules: RedactionRules): { url: string; redacted: string[] } {
  const redacted = redactUrl(url, rules.query)
  if (!redacted.includes(REDACTED)) return { url: redacted, redacted: [] }
  const names: string[] = []
  for (const pair of redacted.slice(redacted.indexOf('?') + 1).split('&')) {
    if (pair.endsWith(`=${REDACTED}`)) names.push(pair.slice(0, pair.lastIndexOf('=')))
  }
  return { url: redacted, redacted: names }
}

/**
 * Names of body fields that hold credentials. Narrower than for a query, where `code` and `key` are secrets: an order's
 * `code` or `session` must stay replayable.
 */
const secretField =
  /passw(or)?d|passphrase|^pwd$|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|authorization|credential|^cvv2?$|^cvc2?$|card[-_]?number/i

/** Cheap first look: bodies without such a word are not parsed. */
const secretWord =
  /passw|passphrase|pwd|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|authorization|credential|cv[vc]|card[-_]?number|\\u00/i

/**
 * The most that is taken apart, in bytes and in levels: it is done in one go, and must not hold up the process. What is
 * more is not kept when it holds such a word.
 */
const MAX_PARSED_BYTES = 4 * 1024 * 1024
const MAX_DEPTH = 500

export interface RedactedBody {
  /** What may be kept; `undefined` when nothing of it may. */
  body: Buffer | undefined
  changed: boolean
}

/** Replaces the values of secret fields in JSON and form bodies. A body that is left as it was comes back itself. */
export function redactBody(body: Buffer, contentType: string, rules: RedactionRules): RedactedBody {
  const fields = rules.body
  const unchanged = { body, changed: false }
  if (fields === undefined || body.byteLength === 0) return unchanged
  const text = body.toString('latin1')
  if (!secretWord.test(text) && !holdsAny(text, fields)) return unchanged
  const isSecret = (name: string): boolean => secretField.test(name) || fields.has(name.toLowerCase())
  if (/multipart\/form-data/i.test(contentType)) return redactMultipart(body, text, isSecret)
  if (/x-www-form-urlencoded/i.test(contentType)) return redactForm(body, isSecret)
  return redactJson(body, isSecret)
}

function holdsAny(text: string, fields: ReadonlySet<string>): boolean {
  if (fields.size === 0) return false
  const lower = text.toLowerCase()
  for (const field of fields) if (lower.includes(field)) return true
  return false
}

/** Nobody can say what the secret word in it belongs to. */
const nothing: RedactedBody = { body: undefined, changed: true }

function redactJson(body: Buffer, isSecret: (name: string) => boolean): RedactedBody {
  const text = body.toString('utf8')
  if (!/^\s*[[{]/.test(text)) return { body, changed: false }
  if (body.byteLength > MAX_PARSED_BYTES || isDeep(text)) return nothing
  let changed = false
  try {
    // a replacer, not a copy: `__proto__` stays the ordinary key that JSON.parse made of it
    const redacted = JSON.stringify(JSON.parse(text), (name, value: unknown) => {
      if (name === '' || value === null || !isSecret(name)) return value
      changed = true
      return REDACTED
    })
    return changed ? { body: Buffer.from(redacted), changed } : { body, changed }
  } catch {
    return nothing
  }
}

/** Whether brackets outside of strings are nested deeper than is taken apart. */
function isDeep(json: string): boolean {
  let depth = 0
  let quoted = false
  for (let at = 0; at < json.length; at++) {
    const char = json[at]
    if (char === '"') quoted = !quoted
    else if (quoted) at += char === '\\' ? 1 : 0
    else if (char === '[' || char === '{') depth++
    else if (char === ']' || char === '}') depth--
    if (depth > MAX_DEPTH) return true
  }
  return false
}

function redactForm(body: Buffer, isSecret: (name: string) => boolean): RedactedBody {
  if (body.byteLength > MAX_PARSED_BYTES) return nothing
  let changed = false
  const pairs = body
    .toString('utf8')
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=')
      const raw = equals === -1 ? pair : pair.slice(0, equals)
      // user[password] is a field named password inside user
      const names =
        new URLSearchParams(`${raw}=`)
          .keys()
          .next()
          .value?.split(/[[\].]+/) ?? []
      if (equals === -1 || !names.some((name) => name !== '' && isSecret(name))) return pair
      changed = true
      return `${raw}=${REDACTED}`
    })
  return changed ? { body: Buffer.from(pairs.join('&')), changed } : { body, changed }
}

function redactMultipart(body: Buffer, text: string, isSecret: (name: string) => boolean): RedactedBody {
  for (const [, name = ''] of text.matchAll(/^content-disposition:[^\r\n]*?\bname="?([^"\r\n;]*)/gim)) {
    if (isSecret(name)) return nothing
  }
  return { body, changed: false }
}

/** Text that may quote urls: error messages. */
export function redactText(text: string, max: number): string {
  const cut = text.length > max ? `${text.slice(0, max)}...` : text
  return cut.replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, (url) => redactUrl(url))
}
