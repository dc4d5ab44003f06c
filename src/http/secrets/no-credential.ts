import { isNothing, isWordForNothing } from '../nothing.ts'

/** Schemes that say nothing alone. Another word alone is a key. */
const schemes = new Set(['basic', 'bearer', 'digest', 'token'])

/**
 * Whether a header that should hold a credential holds none: `Bearer ${process.env.TOKEN}` of a variable that is not set is
 * `Bearer undefined`, `x-api-key` is `undefined`, and in a shell `"Bearer $TOKEN"` is `Bearer `. Of several cookies one may
 * be without a value.
 */
export function isNoCredential(value: string): boolean {
  return value.split(';').every((part) => holdsNothing(part.trim()))
}

function holdsNothing(text: string): boolean {
  if (isWordForNothing(text) || isNamedNothing(text)) return true
  const [first = ''] = text.split(/\s/, 1)
  const rest = text.slice(first.length).trim()
  if (rest === '') return schemes.has(first.toLowerCase()) || isNothing(first) || isNamedNothing(first)
  return isNothing(rest) || isNamedNothing(rest) || (first.toLowerCase() === 'basic' && isNobody(rest))
}

/** `token=undefined`. With nothing behind it, it may be the end of a key in base64. */
function isNamedNothing(text: string): boolean {
  const named = /^[\w-]+=(.+)$/.exec(text)
  return named !== null && isWordForNothing(named[1]!)
}

/** A name with its password, of which either was not there. One of them may be empty: many APIs take a key as the name. */
function isNobody(base64: string): boolean {
  const text = Buffer.from(base64, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon === -1) return false
  const [name, password] = [text.slice(0, colon), text.slice(colon + 1)]
  return isWordForNothing(name) || isWordForNothing(password) || (isNothing(name) && isNothing(password))
}
