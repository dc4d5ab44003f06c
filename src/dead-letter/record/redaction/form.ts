import { REDACTED } from '../../../http/secrets/redacted-url.ts'
import { decodedName } from '../../../http/secrets/secret-names.ts'
import { COST, type FieldNames } from './field-names.ts'

type Inner = (text: string, names: FieldNames) => string

/** A form with the values of secret fields replaced; fields are known by their percent-decoded names. */
export function redactForm(text: string, names: FieldNames, inner: Inner): string {
  let redacted = ''
  let taken = 0
  let equals = -1
  for (let start = 0; start < text.length;) {
    const ampersand = text.indexOf('&', start)
    const end = ampersand === -1 ? text.length : ampersand
    names.work(COST.pair)
    // found once for all the pairs before it that have none
    if (equals < start) equals = text.indexOf('=', start)
    if (equals === -1) break
    if (equals < end - 1) {
      const value = text.slice(equals + 1, end)
      const raw = text.slice(start, equals)
      const shown = names.isSecret(decoded(raw, names)) ? REDACTED : withoutSecrets(value, names, inner)
      if (shown !== value) {
        redacted += text.slice(taken, equals + 1) + shown
        taken = end
      }
    }
    start = end + 1
  }
  return taken === 0 ? text : redacted + text.slice(taken)
}

/** Some servers take `;` for `&`. */
function withoutSecrets(value: string, names: FieldNames, inner: Inner): string {
  const shown = innerValue(value, names, inner)
  const semicolon = shown === value ? value.indexOf(';') : -1
  if (semicolon === -1 || !value.includes('=', semicolon)) return shown
  const parts = value.split(';')
  names.work(COST.pair * parts.length)
  return parts
    .map((part, i) => {
      const equals = i === 0 ? -1 : part.indexOf('=')
      const secret =
        equals !== -1 && equals < part.length - 1 && names.isSecret(decoded(part.slice(0, equals), names))
      return secret ? part.slice(0, equals + 1) + REDACTED : part
    })
    .join(';')
}

/** A form may carry JSON, `payload={...}`, or a url. */
function innerValue(value: string, names: FieldNames, inner: Inner): string {
  if (
    value.length < 8 ||
    !/^(?:[[{"]|%(?:7b|5b|22)|[a-z][a-z0-9+.-]{0,30}(?::|%3a)(?:\/|%2f))/i.test(value)
  ) {
    return value
  }
  const text = decoded(value, names)
  const shown = inner(text, names)
  return shown === text ? value : encodeURIComponent(shown)
}

function decoded(raw: string, names: FieldNames): string {
  if (raw.includes('%')) names.work(COST.escaped + raw.length * COST.escapedChar)
  return decodedName(raw)
}
