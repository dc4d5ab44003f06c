import { decodedName, isNamedIn, isSecretName } from './secret-names.ts'
import { holdsToken, isRandomToken, looksRandom, secretOfAddress } from './secret-shapes.ts'

export const REDACTED = '[redacted]'

/** What of urls is secret beside what always is. */
export interface UrlRules {
  /** Names of further query and matrix parameters whose values are secret, as `comparableName` makes them. */
  readonly query: ReadonlySet<string>
  /** Takes further secrets out of a path; `false` keeps paths as they are. */
  readonly path: ((path: string) => string) | false | undefined
  /** Long random parts of a path are ids, and stay. */
  readonly keepIds?: boolean
}

export const defaultUrlRules: UrlRules = { query: new Set(), path: undefined }

interface RedactedUrl {
  readonly url: string
  /** Names of the query parameters whose values were replaced, as they stood there. */
  readonly query: readonly string[]
  /** Something in the path was replaced. */
  readonly path: boolean
}

/**
 * The url as it may be logged and stored: userinfo and fragment gone, secrets in query, matrix parameters and path
 * replaced by `[redacted]`. The one function for records, logs, events and errors.
 */
export function redactUrl(url: string, rules: UrlRules = defaultUrlRules): string {
  return redactedUrl(url, rules).url
}

/** The same, and what was replaced. */
export function redactedUrl(url: string, rules: UrlRules): RedactedUrl {
  const bare = withoutUserinfo(url).split('#', 1)[0]!
  const queryAt = bare.indexOf('?')
  const head = queryAt === -1 ? bare : bare.slice(0, queryAt)
  const path = redactedPath(head, rules)
  if (queryAt === -1) return { url: path, query: [], path: path !== head }
  const names: string[] = []
  const pairs = bare
    .slice(queryAt + 1)
    .split('&')
    .map((pair) => redactedPairs(pair, rules, names))
  return { url: `${path}?${pairs.join('&')}`, query: names, path: path !== head }
}

/** Whether something is missing in the path of a url that was stored. */
export function isPathRedacted(url: string): boolean {
  return url.split('?', 1)[0]!.includes(REDACTED)
}

/**
 * What stands between two `&`. Some servers take `;` for one (as HTML 4 asked them to): where all of it is no secret, its
 * parts may be.
 *
 * @param names takes the names of what was replaced
 */
function redactedPairs(pair: string, rules: UrlRules, names: string[]): string {
  const redacted = redactedPair(pair, rules)
  if (redacted === pair && pair.includes(';')) {
    return pair
      .split(';')
      .map((part, i) => (i === 0 ? part : redactedPairs(part, rules, names)))
      .join(';')
  }
  if (redacted !== pair) names.push(pair.slice(0, pair.indexOf('=')))
  return redacted
}

function redactedPair(pair: string, rules: UrlRules): string {
  const equals = pair.indexOf('=')
  if (equals === -1 || equals === pair.length - 1) return pair
  const name = decodedName(pair.slice(0, equals))
  const value = pair.slice(equals + 1)
  const secret =
    isSecretName(name, 'url') || isNamedIn(rules.query, name) || holdsToken(value) || isSecretUrl(value)
  return secret ? `${pair.slice(0, equals)}=${REDACTED}` : pair
}

/** A url in a parameter (`?redirect=https%3A%2F%2F...`) with a secret in it. */
function isSecretUrl(value: string): boolean {
  if (!/^https?(?::|%3a)/i.test(value)) return false
  const url = decodedName(value)
  return redactUrl(url) !== url
}

function redactedPath(head: string, rules: UrlRules): string {
  const { path: ofUser } = rules
  const pathAt = pathStart(head)
  const path = head.slice(pathAt)
  if (path.length < 2 || ofUser === false) return head
  const own = redactedAddress(head.slice(0, pathAt), redactedSegments(path, rules))
  return head.slice(0, pathAt) + (ofUser === undefined ? own : ofUser(own))
}

function pathStart(head: string): number {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(head)?.[0].length ?? 0
  if (scheme === 0) return 0
  const slash = head.indexOf('/', scheme)
  return slash === -1 ? head.length : slash
}

function redactedAddress(start: string, path: string): string {
  const host = start.slice(start.indexOf('//') + 2)
  const secret = secretOfAddress(host + path)
  if (secret === undefined || secret.includes(REDACTED)) return path
  const at = path.indexOf(secret)
  const replaced = secret.replace(/[^/]+/g, REDACTED)
  return path.slice(0, at) + replaced + path.slice(at + secret.length)
}

/** Shorter parts of a path are no tokens. */
const MIN_SECRET_CHARS = 16

function redactedSegments(path: string, rules: UrlRules): string {
  const segments = path.split('/')
  for (const [i, segment] of segments.entries()) {
    if (segment.length < MIN_SECRET_CHARS && !segment.includes(';')) continue
    const [own = '', ...matrix] = segment.split(';')
    const announced = i > 0 && looksRandom(own) && isSecretName(decodedName(segments[i - 1]!), 'url')
    const kept =
      announced || holdsToken(own) || (rules.keepIds !== true && isRandomToken(own)) ? REDACTED : own
    segments[i] = [kept, ...matrix.map((pair) => redactedPair(pair, rules))].join(';')
  }
  return segments.join('/')
}

/** A url without its userinfo. */
export function withoutUserinfo(url: string): string {
  return url.includes('@') ? url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1') : url
}

/**
 * A message in which urls have no userinfo: a password that was typed is not said again. Taken wider than by the
 * grammar of urls, since what people type may hold anything.
 */
export function messageWithoutUserinfo(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]{0,30}:\/\/)[^/\s'"]*@/gi, '$1')
}
