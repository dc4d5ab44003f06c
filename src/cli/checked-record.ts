import { sha256 } from '../dead-letter/capture.ts'
import { DeadLetterFormatError } from '../dead-letter/record-json.ts'
import type { DeadLetterRecord } from '../dead-letter/record.ts'
import { isCredentialHeader, isTransportHeader } from '../dead-letter/redaction.ts'

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// control characters would split or end a header
const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/

/**
 * Refuses what a replay could not send, and leaves out what it would not: an imported or edited entry is checked when
 * it comes, not when it is sent.
 * @throws {DeadLetterFormatError} that never repeats a header's value
 */
export function checkedRecord(record: DeadLetterRecord): DeadLetterRecord {
  const { request } = record
  checkUrl(request.url)
  if (!token.test(request.method) || request.method === 'CONNECT')
    throw wrong('its method cannot be replayed')
  const headers = Object.create(null) as Record<string, string | readonly string[]>
  const omitted = new Set(request.omittedHeaders)
  for (const [given, value] of Object.entries(request.headers)) {
    const name = given.toLowerCase()
    checkHeader(name, value)
    if (isTransportHeader(name)) continue
    if (isCredentialHeader(name)) omitted.add(name)
    else headers[name] = value
  }
  if (record.idempotencyKey !== undefined) {
    checkHeader(record.idempotencyHeader ?? 'idempotency-key', record.idempotencyKey)
  }
  checkBody(record)
  return {
    ...record,
    request: { ...request, headers, ...(omitted.size === 0 ? {} : { omittedHeaders: [...omitted] }) },
  }
}

/** @throws {DeadLetterFormatError} */
export function checkUrl(text: string): URL {
  if (controls.test(text) || !URL.canParse(text)) throw wrong('its url is malformed')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw wrong('its url is not http or https')
  if (url.username !== '' || url.password !== '') throw wrong('its url holds a user name or password')
  return url
}

/** @throws {DeadLetterFormatError} */
export function checkHeader(name: string, value: string | readonly string[]): void {
  if (!token.test(name)) throw wrong(`the header name ${JSON.stringify(name.slice(0, 100))} is malformed`)
  for (const one of typeof value === 'string' ? [value] : value) {
    if (controls.test(one)) throw wrong(`the header ${JSON.stringify(name)} holds a control character`)
  }
}

function checkBody({ request, sealed }: DeadLetterRecord): void {
  const { body, sha256: digest, bytes, bodyRedacted } = request
  if (body === undefined || sealed !== undefined || bodyRedacted === true) return
  if (body.byteLength !== bytes) {
    throw wrong(`its body has ${body.byteLength} bytes, \`bytes\` says ${bytes}`)
  }
  if (bytes > 0 && digest !== sha256(body)) throw wrong('its body does not match `sha256`')
}

function wrong(message: string): DeadLetterFormatError {
  return new DeadLetterFormatError(message)
}
