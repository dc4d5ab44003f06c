import { redactDocument } from './documents.ts'
import { decodedBody, isKnownEncoding } from './encoded-body.ts'
import { COST, FieldNames, MAX_READ_BYTES, UnreadableBodyError } from './field-names.ts'
import { redactForm } from './form.ts'
import type { BodyKind } from './headers.ts'
import { multipartHoldsSecret } from './multipart.ts'
import type { RedactionRules } from './rules.ts'

interface RedactedBody {
  /** What may be kept; `undefined` when nothing of it may. */
  body: Buffer | undefined
  changed: boolean
}

/** For bodies with a secret in them whose value cannot be told from the rest. */
const nothing: RedactedBody = { body: undefined, changed: true }

/**
 * Replaces the values of secret fields in a body. One that is left as it was comes back itself, byte for byte. Of a body
 * that cannot be taken apart (too large, malformed, multipart, compressed) nothing is kept where it may hold a secret.
 *
 * @param withoutWords what `isWithoutWords` said of a large one
 */
export function redactBody(
  body: Buffer,
  { type, encoding }: BodyKind,
  rules: RedactionRules,
  withoutWords = false,
): RedactedBody {
  const unchanged = { body, changed: false }
  if (rules.body === undefined || body.byteLength === 0 || withoutWords) return unchanged
  const names = new FieldNames(rules.body)
  try {
    if (encoding !== '' && encoding !== 'identity') {
      if (!isKnownEncoding(encoding)) return unchanged
      const inside = decodedBody(body, encoding, MAX_READ_BYTES, false)
      if (inside !== undefined) names.work(inside.byteLength * COST.decodedByte)
      return inside === undefined || redacted(inside, type, names).changed ? nothing : unchanged
    }
    return redacted(body, type, names)
  } catch (error) {
    if (!(error instanceof UnreadableBodyError)) throw error
    return body.byteLength > MAX_READ_BYTES || names.mayHold(body.toString('utf8')) ? nothing : unchanged
  }
}

/** @throws {UnreadableBodyError} */
function redacted(body: Buffer, type: string, names: FieldNames): RedactedBody {
  const unchanged = { body, changed: false }
  const multipart = /^\s*multipart\//i.test(type) || (type === '' && isMultipart(body))
  if (!multipart && !mayBeText(body, type)) return unchanged
  if (multipart) {
    const holds = (part: Buffer, partType: string): boolean =>
      names.within('', unchanged, () => redacted(part, partType, names)).changed
    return multipartHoldsSecret(body, type, names, holds) ? nothing : unchanged
  }
  if (body.byteLength > MAX_READ_BYTES) throw new UnreadableBodyError()
  const text = body.toString('utf8')
  names.read(text.length)
  const shown = /x-www-form-urlencoded/i.test(type)
    ? redactForm(text, names, redactDocument)
    : redactDocument(text, names)
  return shown === text ? unchanged : { body: Buffer.from(shown), changed: true }
}

function isMultipart(body: Buffer): boolean {
  return /^--[^\r\n]+\r?\ncontent-/i.test(body.toString('latin1', 0, 120))
}

/** Whether it is a form by its type, or may be a document by its first byte. */
function mayBeText(body: Buffer, type: string): boolean {
  return (
    /x-www-form-urlencoded/i.test(type) ||
    /^\s*["[{]|^[^\s=&{}<>"']{1,200}=|^[a-z][a-z0-9+.-]{0,30}:\/\//i.test(body.toString('utf8', 0, 250))
  )
}
