import { REDACTED, redactUrl, type UrlRules } from '../../../http/secrets/redacted-url.ts'
import { COST, type FieldNames, UnreadableBodyError } from './field-names.ts'
import { redactForm } from './form.ts'
import { redactJson } from './json-text.ts'

/** Names and values as a form has them, and nothing else: no space, no line. */
const form = /^[^\s=&{}<>"']{1,200}=[^\s<>"]*$/

/** Of the web, or of anything that is asked for with a password: `postgres://user:password@host/`. */
const url = /^(?:https?:\/\/\S+|[a-z][a-z0-9+.-]{0,30}:\/\/[^\s/?#]*@\S*)$/i

/** A field may name a resource by its url: long ids in its path are no tokens, as they are in the url of a request. */
const inBody: UrlRules = { query: new Set(), path: undefined, keepIds: true }

/**
 * A document without a content type, or inside another: JSON, a form, a url. Anything else comes back as it is.
 * @throws {UnreadableBodyError} where it may hold a secret and cannot be taken apart
 */
export function redactDocument(text: string, names: FieldNames): string {
  if (/^\s*["[{]/.test(text)) {
    const redacted = redactJson(text, names, redactInner)
    if (redacted !== undefined) return redacted
    // what begins with a quote may be said by somebody
    if (/^\s*"?\s*[[{\\]/.test(text) && names.mayHold(text)) throw new UnreadableBodyError()
    return text
  }
  if (url.test(text)) {
    names.work(COST.url + text.length * COST.urlChar + partsOf(text) * COST.urlPart)
    return redactUrl(text, inBody)
  }
  return form.test(text) ? redactForm(text, names, redactInner) : text
}

/** Of a url: each may be a name and a value. */
function partsOf(url: string): number {
  let parts = 0
  for (let at = 0; at < url.length; at++) {
    const code = url.charCodeAt(at)
    if (code === AMPERSAND || code === SEMICOLON || code === SLASH) parts++
  }
  return parts
}

const AMPERSAND = 0x26
const SLASH = 0x2f
const SEMICOLON = 0x3b

/** What stands in a field: a document inside, or a text. One that cannot be taken apart is a secret as a whole. */
function redactInner(text: string, names: FieldNames): string {
  try {
    return names.within(text, text, () => redactDocument(text, names))
  } catch (error) {
    if (error instanceof UnreadableBodyError) return REDACTED
    throw error
  }
}
