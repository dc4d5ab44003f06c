import { REDACTED } from '../../../http/secrets/redacted-url.ts'
import { COST, type FieldNames } from './field-names.ts'

/** The deepest nesting that is read, in levels. */
const MAX_DEPTH = 500

/** Fields that name the field whose value stands beside them: `{ name: 'password', value: '...' }`. */
const labels = new Set(['field', 'header', 'key', 'name', 'property'])
const labelled = new Set(['value', 'values'])

/** A url that was cut off where its password may stand. */
const cutInUserinfo = /^[a-z][a-z0-9+.-]{0,30}:\/\/[^\s/?#@]*:[^\s/?#@]*$/i

/** What is left of an escape at the end of what was cut off. */
const cutEscape = /\\(?:u[0-9a-f]{0,3})?$/i

type Inner = (text: string, names: FieldNames) => string

interface Frame {
  readonly array: boolean
  /** Where it begins. */
  readonly start: number
  /** There is a text in it that is no name. */
  texts: boolean
  /** The name that it stands under. */
  readonly outer: string
  /** The name of the value in hand. */
  name: string
  /** Of an object with a label that names a secret. */
  labelled: boolean
  /** Where that stands which a label may be about. */
  values: (readonly [start: number, end: number])[] | undefined
}

type Edit = readonly [start: number, end: number, text: string]

/**
 * JSON with the values of secret fields replaced, and all else byte for byte as it was: numbers of any length,
 * names that come twice, lines of JSON one after the other, and what was cut off at its end. `undefined` when it is not
 * JSON, or nested too deep.
 */
export function redactJson(text: string, names: FieldNames, inner: Inner): string | undefined {
  return new JsonText(text, names, inner).redacted()
}

class JsonText {
  readonly #text: string
  readonly #names: FieldNames
  readonly #inner: Inner
  readonly #edits: Edit[] = []
  readonly #frames: Frame[] = []
  #at = 0
  /** An edit was made after those that follow it. */
  #unordered = false

  constructor(text: string, names: FieldNames, inner: Inner) {
    this.#text = text
    this.#names = names
    this.#inner = inner
  }

  redacted(): string | undefined {
    const text = this.#text
    const { length } = text
    while (this.#at < length) {
      const code = text.charCodeAt(this.#at)
      if (isSpaceOrComma(code)) this.#at++
      else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
        if (this.#frames.length >= MAX_DEPTH) return undefined
        this.#names.work(COST.container)
        const outer = this.#frame?.name ?? ''
        this.#frames.push({
          array: code === OPEN_ARRAY,
          start: this.#at,
          texts: false,
          outer,
          name: code === OPEN_ARRAY ? outer : '',
          labelled: false,
          values: undefined,
        })
        this.#at++
      } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
        const frame = this.#frames.pop()
        if (frame?.array !== (code === CLOSE_ARRAY)) return undefined
        this.#at++
        this.#closed(frame)
      } else if (this.#frame?.array === false) {
        if (!this.#member(this.#frame)) return undefined
      } else if (!this.#value('')) return undefined
    }
    for (let frame = this.#frames.pop(); frame !== undefined; frame = this.#frames.pop()) this.#closed(frame)
    return this.#edits.length === 0 ? text : this.#edited()
  }

  get #frame(): Frame | undefined {
    return this.#frames[this.#frames.length - 1]
  }

  /** `"name": value`; whether that is what stands here, as far as the text goes. */
  #member(frame: Frame): boolean {
    const text = this.#text
    if (text.charCodeAt(this.#at) !== QUOTE) return false
    const end = this.#stringEnd(this.#at)
    const name = this.#meant(text.slice(this.#at + 1, end - 1))
    this.#names.work(1)
    let at = this.#skipSpace(end)
    if (at >= text.length) return this.#finish()
    if (text.charCodeAt(at) !== COLON) return false
    at = this.#skipSpace(at + 1)
    this.#at = at
    if (at >= text.length) return true
    frame.name = name
    const secret =
      this.#names.isSecret(name) || (frame.outer !== '' && this.#names.isSecretInside(frame.outer, name))
    if (secret) return this.#secretValue()
    const code = text.charCodeAt(at)
    return code === OPEN_OBJECT || code === OPEN_ARRAY ? true : this.#value(name)
  }

  /** A string or a literal, which is left as it is unless a document is inside. */
  #value(name: string): boolean {
    const text = this.#text
    const start = this.#at
    if (text.charCodeAt(start) !== QUOTE) return this.#literal()
    const end = this.#stringEnd(start)
    this.#at = end
    const frame = this.#frame
    const raw = text.slice(start + 1, end - 1)
    if (frame !== undefined && raw !== '') frame.texts = true
    if (frame?.array === false) {
      if (isLabelled(frame, name)) (frame.values ??= []).push([start, end])
      else if (labels.has(name.toLowerCase()) && this.#names.isSecret(this.#meant(raw))) frame.labelled = true
    }
    // only a document holds a secret, and none is without one of these
    if (raw.length > 4 && (raw.includes('=') || raw.includes(':'))) {
      const value = this.#meant(raw)
      const isCut = end > text.length && cutInUserinfo.test(value)
      const shown = isCut ? REDACTED : this.#inner(value, this.#names)
      if (shown !== value) this.#edit(start, end, JSON.stringify(shown))
    }
    return true
  }

  /** The value of a secret field: texts go, with all that is around them; numbers, booleans and null are no secrets. */
  #secretValue(): boolean {
    const text = this.#text
    const start = this.#at
    const code = text.charCodeAt(start)
    if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      const end = this.#containerEnd(start)
      if (end === undefined) return false
      this.#at = end.at
      if (end.texts) this.#edit(start, end.at, `"${REDACTED}"`)
      return true
    }
    if (code !== QUOTE) return this.#literal()
    const end = this.#stringEnd(start)
    this.#at = end
    const raw = text.slice(start + 1, end - 1)
    if (raw !== '' && raw !== REDACTED) this.#edit(start, end, `"${REDACTED}"`)
    return true
  }

  #literal(): boolean {
    const start = this.#at
    while (isLiteral(this.#text.charCodeAt(this.#at))) this.#at++
    return this.#at > start
  }

  /** Past the quote that ends the string at `start`; past the text's end, where it was cut off. */
  #stringEnd(start: number): number {
    const text = this.#text
    for (let quote = start; ;) {
      quote = text.indexOf('"', quote + 1)
      if (quote === -1) return text.length + 1
      let slashes = 0
      while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++
      if (slashes % 2 === 0) return quote + 1
    }
  }

  /** Where an object or array ends, and whether there is any text in it but names. */
  #containerEnd(start: number): { at: number; texts: boolean } | undefined {
    const text = this.#text
    let depth = 0
    let texts = false
    for (let at = start; at < text.length;) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) {
        const end = this.#stringEnd(at)
        if (end - at > 2 && text.charCodeAt(this.#skipSpace(end)) !== COLON) texts = true
        at = end
        continue
      }
      if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++
      else if ((code === CLOSE_OBJECT || code === CLOSE_ARRAY) && --depth === 0) return { at: at + 1, texts }
      at++
    }
    return { at: text.length, texts }
  }

  #skipSpace(at: number): number {
    while (isSpace(this.#text.charCodeAt(at))) at++
    return at
  }

  /** A string as it is meant; as it stands where its escapes are malformed or cut off. */
  #meant(raw: string): string {
    if (!raw.includes('\\')) return raw
    this.#names.work(COST.escaped + raw.length * COST.decodedByte)
    try {
      return JSON.parse(`"${raw}"`) as string
    } catch {
      this.#names.work(COST.malformed)
      const whole = raw.replace(cutEscape, '')
      return whole === raw ? raw : this.#meant(whole)
    }
  }

  #edit(start: number, end: number, text: string): void {
    this.#names.work(COST.edit)
    this.#edits.push([start, end, text])
  }

  #finish(): true {
    this.#at = this.#text.length
    return true
  }

  #closed(frame: Frame): void {
    const above = this.#frame
    if (above !== undefined && frame.texts) {
      above.texts = true
      if (isLabelled(above, above.name)) (above.values ??= []).push([frame.start, this.#at])
    }
    if (!frame.labelled || frame.values === undefined) return
    for (const [start, end] of frame.values) {
      if (end - start <= 2) continue
      this.#edit(start, end, `"${REDACTED}"`)
      this.#unordered = true
    }
  }

  #edited(): string {
    const text = this.#text
    const edits = this.#edits
    // stable: of two edits of one value the first one is of a document inside, and the second hides it all; what is
    // edited in a container that is hidden is hidden with it
    if (this.#unordered) edits.sort((one, other) => one[0] - other[0])
    const pieces: string[] = []
    let taken = 0
    for (const [i, [start, end, replacement]] of edits.entries()) {
      if (edits[i + 1]?.[0] === start || start < taken) continue
      pieces.push(text.slice(taken, start), replacement)
      taken = end
    }
    pieces.push(text.slice(taken))
    return pieces.join('')
  }
}

/** Whether what is named so stands beside a label. In an array of an object the name is the array's. */
function isLabelled({ array }: Frame, name: string): boolean {
  return !array && name.length < 7 && labelled.has(name.toLowerCase())
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Of numbers and words, as far as they go at the end of a text: letters, digits, and `+`, `-`, `.`, `_`. */
function isLiteral(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    code === 0x2b ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x5f
  )
}

/** A byte order mark too, which some write before a document. */
function isSpace(code: number): boolean {
  return code === 0xfeff || code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function isSpaceOrComma(code: number): boolean {
  return code === COMMA || isSpace(code)
}
