import { redactUrl } from '../../../http/secrets/redacted-url.ts'
import { decodedName } from '../../../http/secrets/secret-names.ts'
import { COST, type FieldNames, MAX_READ_BYTES, UnreadableBodyError } from './field-names.ts'
import { isCredentialHeader } from './headers.ts'

/** The longest header lines of a part, in bytes. */
const MAX_HEAD_BYTES = 16 * 1024

/** Whether a body in hand holds a secret. */
type HoldsSecret = (body: Buffer, contentType: string) => boolean

/**
 * Whether a part of a multipart body is a secret field, carries a header with a credential, or has a body that holds
 * a secret. `application/http` parts are requests of their own (a batch).
 * @throws {UnreadableBodyError}
 */
export function multipartHoldsSecret(
  body: Buffer,
  contentType: string,
  names: FieldNames,
  holds: HoldsSecret,
): boolean {
  const delimiter = boundaryOf(body, contentType)
  if (delimiter === undefined) {
    if (body.byteLength > MAX_READ_BYTES) throw new UnreadableBodyError()
    return names.mayHold(body.toString('latin1'))
  }
  for (let start = body.indexOf(delimiter); start !== -1;) {
    const from = start + delimiter.byteLength
    const end = body.indexOf(delimiter, from)
    names.work(COST.part)
    if (messageHoldsSecret(body.subarray(from, end === -1 ? body.byteLength : end), names, holds)) return true
    start = end
  }
  return false
}

function boundaryOf(body: Buffer, contentType: string): Buffer | undefined {
  const [, quoted, bare] = /;\s*boundary=(?:"([^"]+)"|([^";]+))/i.exec(contentType) ?? []
  const given = quoted ?? bare?.trim()
  if (given !== undefined) {
    const delimiter = Buffer.from(`--${given}`)
    return body.includes(delimiter) ? delimiter : undefined
  }
  const first = /^--[^\r\n]{1,70}/.exec(body.toString('latin1', 0, 80))?.[0]
  return first === undefined ? undefined : Buffer.from(first)
}

/** Header lines, an empty line, a body. */
function messageHoldsSecret(message: Buffer, names: FieldNames, holds: HoldsSecret): boolean {
  const { head, body } = headAndBody(message)
  names.work(head.length * COST.headChar)
  let contentType = ''
  let encoding = ''
  // a line that begins with a space goes on with the one before
  for (const line of head.split(/\r?\n(?![ \t])/)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === '' || value === '') continue
    if (name === 'content-type') contentType = value
    if (name === 'content-transfer-encoding') encoding = value.toLowerCase()
    if (isCredentialHeader(name)) return true
    if (name === 'content-disposition' && isSecretField(value, names)) return body.byteLength > 0
  }
  if (!/^(?:application|message)\/http\b/i.test(contentType)) {
    return holds(encoding === 'base64' ? withoutBase64(body, names) : body, contentType)
  }
  // a request line, and a message after it
  const { head: request } = headAndBody(body)
  const line = request.split(/\r?\n/, 1)[0]!
  names.work(line.length * COST.urlChar)
  const target = line.split(' ')[1] ?? ''
  if (redactUrl(target) !== target) return true
  const rest = body.subarray(Buffer.byteLength(line))
  return names.within('', false, () => messageHoldsSecret(rest, names, holds))
}

/** What is too long for a document stays as it is, like a file. */
function withoutBase64(body: Buffer, names: FieldNames): Buffer {
  if (body.byteLength > MAX_READ_BYTES) return body
  names.work(body.byteLength * COST.decodedByte)
  return Buffer.from(body.toString('latin1'), 'base64')
}

/** @throws {UnreadableBodyError} where the head is too long */
function headAndBody(message: Buffer): { head: string; body: Buffer } {
  const start = message.subarray(0, MAX_HEAD_BYTES)
  // a message without headers begins with the empty line
  const crlf = start.indexOf('\r\n\r\n')
  const lf = start.indexOf('\n\n')
  const [at, length] = crlf === -1 || (lf !== -1 && lf < crlf) ? [lf, 2] : [crlf, 4]
  if (at !== -1) return { head: message.toString('utf8', 0, at), body: message.subarray(at + length) }
  if (message.byteLength > MAX_HEAD_BYTES) throw new UnreadableBodyError()
  return { head: message.toString('utf8'), body: message.subarray(message.byteLength) }
}

function isSecretField(disposition: string, names: FieldNames): boolean {
  for (const [, quoted, bare = ''] of disposition.matchAll(/\bname=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/gi)) {
    if (names.isSecret(quoted ?? bare)) return true
  }
  const extended = /\bname\*=[^']*'[^']*'([^;\s]+)/i.exec(disposition)?.[1]
  return extended !== undefined && names.isSecret(decodedName(extended))
}
