import { REDACTED } from '../call/redacted-url.ts'
import { sha256 } from '../dead-letter/capture.ts'
import type { DeadLetter, DeadLetterRecord, DeadLetterRequest } from '../dead-letter/record.ts'
import { recordOf } from '../dead-letter/record.ts'
import {
  defaultRules,
  isCredentialHeader,
  isTransportHeader,
  redactBody,
  redactQuery,
} from '../dead-letter/redaction.ts'
import { checkedRecord, checkHeader, checkUrl } from './checked-record.ts'
import { CliError } from './cli-error.ts'

/** What `edit` changes; absent: as it was. */
export interface RecordEdit {
  readonly method?: string | undefined
  /** A whole url, or a path of the same origin: `/v2/contacts?x=1`. */
  readonly url?: string | undefined
  readonly setHeaders?: readonly (readonly [name: string, value: string])[]
  readonly removeHeaders?: readonly string[]
  /** `null`: no body. */
  readonly body?: Uint8Array | null | undefined
}

/** Made by the caller: chance is passed in. */
export interface EditedIdentity {
  readonly id: string
  readonly idempotencyKey: string
}

/**
 * A copy of the entry under a new id, with a new idempotency key where it had one: for the provider it is another
 * request.
 * @throws {CliError} when the edit cannot be made
 * @throws {DeadLetterFormatError} when what comes out could not be sent
 */
export function editedRecord(
  entry: DeadLetter,
  edit: RecordEdit,
  identity: EditedIdentity,
): DeadLetterRecord {
  // that it may be repeated was said of the request as it was
  const {
    sealed,
    notReplayableReason,
    replayable,
    repeatable: _of,
    idempotencyKey,
    firstAttemptAt: _when,
    ...rest
  } = recordOf(entry)
  if (
    edit.body === undefined &&
    sealed !== undefined &&
    rest.request.body === undefined &&
    rest.request.bytes > 0
  ) {
    throw new CliError(
      'the body of this entry is sealed, and a seal does not hold for an edited copy: give the whole body',
    )
  }
  const request = editedBody(editedHeaders(editedTarget(rest.request, edit), edit), edit.body)
  const headers = idempotencyKey === undefined ? request.headers : withoutKey(request.headers, entry)
  const whole = edit.body !== undefined
  return checkedRecord({
    ...rest,
    id: identity.id,
    // as it is now it was never sent
    delivery: 'not_sent',
    request: { ...request, headers },
    replayable: replayable || whole,
    ...(notReplayableReason === undefined || whole ? {} : { notReplayableReason }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey: identity.idempotencyKey }),
    editedFrom: entry.id,
  })
}

function editedTarget(request: DeadLetterRequest, { method, url }: RecordEdit): DeadLetterRequest {
  const named = method === undefined ? request : { ...request, method: method.toUpperCase() }
  if (url === undefined) return named
  const before = checkUrl(request.url)
  if (!url.startsWith('/') && !/^https?:\/\//i.test(url)) {
    throw new CliError(
      `--url must be an http(s) url or a path that begins with "/", got ${JSON.stringify(url)}`,
    )
  }
  // `//host/x` is another host, not a path
  const target = url.startsWith('/') ? `${before.origin}${url}` : url
  checkUrl(target)
  const { redactedQuery: _before, ...bare } = named
  const { url: kept, redacted } = redactQuery(target, defaultRules)
  return { ...bare, url: kept, ...(redacted.length === 0 ? {} : { redactedQuery: redacted }) }
}

function editedHeaders(request: DeadLetterRequest, edit: RecordEdit): DeadLetterRequest {
  const headers = Object.assign(
    Object.create(null) as Record<string, string | readonly string[]>,
    request.headers,
  )
  const omitted = new Set(request.omittedHeaders)
  for (const given of edit.removeHeaders ?? []) {
    const name = given.toLowerCase()
    delete headers[name]
    omitted.delete(name)
  }
  for (const [given, value] of edit.setHeaders ?? []) {
    const name = given.toLowerCase()
    checkHeader(name, value)
    if (isCredentialHeader(name)) {
      throw new CliError(`the header "${name}" holds a credential: it is given at the replay, never stored`)
    }
    if (isTransportHeader(name)) throw new CliError(`the header "${name}" is made anew for every request`)
    headers[name] = value
    omitted.delete(name)
  }
  const { omittedHeaders: _before, ...bare } = request
  return { ...bare, headers, ...(omitted.size === 0 ? {} : { omittedHeaders: [...omitted] }) }
}

function editedBody(request: DeadLetterRequest, body: RecordEdit['body']): DeadLetterRequest {
  if (body === undefined) return request
  const { body: _1, sha256: _2, bodyRedacted: _3, ...bare } = request
  if (body === null || body.byteLength === 0) return { ...bare, bytes: 0 }
  const bytes = Buffer.from(body)
  if (bytes.includes(REDACTED)) {
    throw new CliError(`the new body still holds ${REDACTED}: put in what is to be sent`)
  }
  if (redactBody(bytes, String(request.headers['content-type'] ?? ''), defaultRules).changed) {
    throw new CliError(
      'the new body has a field that looks like a credential by its name, and would be stored in the open',
    )
  }
  return { ...bare, body: bytes, bytes: bytes.byteLength, sha256: sha256(bytes) }
}

/** The old key must not be sent beside the new one. */
function withoutKey(headers: DeadLetterRequest['headers'], entry: DeadLetter): DeadLetterRequest['headers'] {
  const copy = Object.assign(Object.create(null) as Record<string, string | readonly string[]>, headers)
  delete copy[(entry.idempotencyHeader ?? 'idempotency-key').toLowerCase()]
  return copy
}

/** When the id was made, epoch milliseconds; `undefined` when it is no UUIDv7. */
export function timeOfId(id: string): number | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7/i.exec(id)
  return match === null ? undefined : parseInt(`${match[1]}${match[2]}`, 16)
}
