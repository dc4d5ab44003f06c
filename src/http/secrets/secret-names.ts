/**
 * The one list of words that tell of a secret. A name is taken apart into words: at changes of case, at everything that
 * is no letter (`card[number]`, `api-key`, `x.token`), and at digits (`password2`). A word counts when it stands there
 * whole, in the plural too: `tokenizer` and `secretary` are no secrets.
 */

/** Where a name stands: a url and a header use `key` and `code` for credentials, the body of an order does not. */
type Place = 'url' | 'header' | 'body'

/** Secrets everywhere. Words that belong together are also found written as one, and across brackets and dots. */
const everywhere = [
  'access key',
  'api key',
  'auth code',
  'auth key',
  'authorization',
  'bearer',
  'card number',
  'client assertion',
  'code verifier',
  'connection string',
  'cookie',
  'credential',
  'cvc',
  'cvv',
  'encryption key',
  'jwt',
  'master key',
  'otp',
  'pass code',
  'pass phrase',
  'pass word',
  'passwd',
  'private key',
  'pwd',
  'secret',
  'security code',
  'session key',
  'shared key',
  'signing key',
  'subscription key',
  'token',
  'totp',
]

/** Secrets in urls and headers only. */
const besidesBodies = [
  'account key',
  'app key',
  'application key',
  'hmac',
  'jsessionid',
  'phpsessid',
  'private app',
  'service key',
  'session',
  'session id',
  'signature',
  'user key',
  'user pass',
]

/** Secrets in urls and headers when they are the whole name, but for `x-` before it and brackets after. */
const aloneBesidesBodies = new Set(['appid', 'auth', 'code', 'key', 'pass', 'sig'])

/** Written in one with a word before it, in small letters, these still end a name that holds a secret: `dbpassword`. */
const endings = /(?:pass(?:word|phrase|code|wd)|secret|token|credentials?|(?:api|private|access|secret)key)$/

/** Words before `token` that make it a place in a list, or the name of a request: no secret. */
const paging = new Set([
  'continuation',
  'continue',
  'cursor',
  'idempotency',
  'last',
  'next',
  'page',
  'pagination',
  'prev',
  'previous',
  'scroll',
  'start',
  'starting',
  'sync',
])
const pagingEnding = /(?:page|pagination|continuation|next|sync|cursor|idempotency)token$/

/** Words beside `tokens` that make it a number or kind of what a model reads: no secret. */
const counting = new Set(
  (
    'audio bad batch budget cached cache completion context count encoded generated image input limit logit max maximum ' +
    'min minimum new num number output per prompt rate ratelimit reasoning remaining reset response special stop suppress ' +
    'text thinking total usage used window'
  ).split(' '),
)

/** What is said about a secret is none: `token_type`, `password_expires_at`. */
const about = new Set(
  (
    'at count enabled endpoint exists expiration expired expires expiry format in index length lifetime limit max method ' +
    'min name on policy required size strength ttl type usage'
  ).split(' '),
)

/** `authorization` is also the word for a payment that is held. */
const aboutAuthorization = new Set(['amount', 'date', 'id', 'ids', 'reason', 'status', 'uri', 'url'])

class WordList {
  readonly single: ReadonlySet<string>
  readonly pairs: ReadonlySet<string>
  /** Cheap first look: a name without any of these is none of a secret. */
  readonly stem: RegExp

  constructor(phrases: readonly string[], alone: Iterable<string>) {
    const one = phrases.map((phrase) => phrase.replace(' ', ''))
    const two = phrases.filter((phrase) => phrase.includes(' '))
    this.single = new Set(one.flatMap((word) => [word, `${word}s`]))
    // `cards[0][number]`
    this.pairs = new Set(
      two.flatMap((pair) => [pair, `${pair}s`, pair.replace(' ', 's '), `${pair.replace(' ', 's ')}s`]),
    )
    const stems = phrases.map((phrase) => phrase.replace(' ', 's?[^a-z]*'))
    const wholes = [...alone].map((word) => `^[^a-z]*(?:x[^a-z]+)?${word}[^a-z]*$`)
    this.stem = new RegExp([...stems, ...wholes].join('|'), 'i')
  }
}

const inBodies = new WordList(everywhere, [])
const besides = new WordList([...everywhere, ...besidesBodies], aloneBesidesBodies)

/** Longer ones, in characters, are names of nothing: they are not taken apart. */
const MAX_NAME_CHARS = 256

/**
 * Whether the value of what is named so is a secret. The name as it is meant: percent-decoded. One of more than 256
 * characters is a secret's where any word of one is in it.
 */
export function isSecretName(name: string, place: Place): boolean {
  const list = place === 'body' ? inBodies : besides
  if (!list.stem.test(name)) return false
  if (name.length > MAX_NAME_CHARS) return true
  const words = wordsOf(name)
  if (place !== 'body') {
    const own = words[0] === 'x' ? words.slice(1) : words
    if (own.length === 1 && aloneBesidesBodies.has(own[0]!)) return true
  }
  // case that says nothing: `pAsSwOrD`
  if (list.single.has(words.join('')) && !isHarmless(words, words.length - 1)) return true
  return words.some((word, at) => isSecretWord(word, words[at - 1], list) && !isHarmless(words, at))
}

/** Whether a text that cannot be taken apart may hold such a name. */
export function mayNameSecret(text: string, place: Place): boolean {
  return (place === 'body' ? inBodies : besides).stem.test(text)
}

/** The second words of names that are made of two, which may be one inside the other: `{ card: { number } }`. */
const inner = new Set(
  everywhere.filter((phrase) => phrase.includes(' ')).map((phrase) => phrase.split(' ')[1]),
)

/** Whether a field of an object with a name is a secret, though its own name is not: `number` of `card`. */
export function isSecretInside(outer: string, name: string): boolean {
  return inner.has(name.toLowerCase()) && isSecretName(`${outer}.${name}`, 'body')
}

function isSecretWord(word: string, before: string | undefined, { single, pairs }: WordList): boolean {
  return single.has(word) || pairs.has(`${before} ${word}`) || endings.test(word)
}

function isHarmless(words: readonly string[], at: number): boolean {
  const word = words[at]!
  if (pagingEnding.test(word) || (word === 'token' && paging.has(words[at - 1] ?? ''))) return true
  if (word === 'tokens' && words.some((other) => counting.has(other))) return true
  const after = words.slice(at + 1)
  if (after.length === 0) return false
  if (word === 'authorization' && aboutAuthorization.has(after[0]!)) return true
  return after.every((other) => about.has(other))
}

/** The words of a name, in lower case, without digits. */
function wordsOf(name: string): string[] {
  return name
    .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{M}]+/u)
    .filter((word) => word !== '')
}

/** The form in which names are compared that the user gave: `redact: { body: ['contraseña'] }`. */
export function comparableName(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

/** Whether the name, or a part of it between brackets and dots, is one of those that the user gave. */
export function isNamedIn(names: ReadonlySet<string>, name: string): boolean {
  if (names.size === 0) return false
  const comparable = comparableName(name)
  if (name.length > MAX_NAME_CHARS) return [...names].some((one) => comparable.includes(one))
  return (
    names.has(comparable) ||
    (/[[\].]/.test(comparable) && comparable.split(/[[\].]+/).some((part) => names.has(part)))
  )
}

/** A name as it stands in a query or form, decoded; malformed escapes stay as they are. */
export function decodedName(raw: string): string {
  if (!raw.includes('%') && !raw.includes('+')) return raw
  const spaced = raw.replaceAll('+', ' ')
  if (!beyondAscii.test(spaced)) return decodeURIComponent(spaced)
  // no exceptions: each takes as long as thirty names, and one malformed escape must not hide the others: `%zz%70assword`
  const bytes = Buffer.from(spaced)
  let length = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] === PERCENT ? hexByte(bytes, at + 1) : undefined
    bytes[length++] = byte ?? bytes[at]!
    if (byte !== undefined) at += 2
  }
  return bytes.toString('utf8', 0, length)
}

/** An escape that is malformed, or of more than ASCII. */
const beyondAscii = /%(?![0-7][0-9a-f])/i
const PERCENT = 0x25

function hexByte(bytes: Buffer, at: number): number | undefined {
  const high = hexDigit(bytes[at])
  const low = hexDigit(bytes[at + 1])
  return high === undefined || low === undefined ? undefined : high * 16 + low
}

function hexDigit(code = 0): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined
}
