import {
  type DeadLetter,
  type DeadLetterRecord,
  type DeadLetterRequest,
  type NotReplayableReason,
  recordOf,
} from '../../../dead-letter/record/record.ts'
import { redactBody } from '../../../dead-letter/record/redaction/body.ts'
import {
  bodyKind,
  isCredentialHeader,
  isTransportHeader,
} from '../../../dead-letter/record/redaction/headers.ts'
import { defaultRules } from '../../../dead-letter/record/redaction/rules.ts'
import { isPathRedacted, REDACTED, redactedUrl } from '../../../http/secrets/redacted-url.ts'
import { sha256 } from '../../../http/sha256.ts'
import { InputError, OperationError } from '../../operation-error.ts'
import { checkedRecord, checkHeader, checkUrl } from '../checked-record.ts'

/** What `edit` changes; absent: as it was. */
export interface RecordEdit {
  readonly method?: string | undefined
  /** A whole url, or a path of the same origin: `/v2/contacts?x=1`. */
  readonly url?: string | undefined
  readonly setHeaders?: readonly (readonly [name: string, value: string])[]
  readonly removeHeaders?: readonly string[]
  /** `null`: no body. */
  readonly body?: Uint8Array | null | undefined
  /** The new body and path are stored as they are: a person says that what looks like a secret in them is none. */
  readonly redact?: false | undefined
}

const STORE_ALL_THE_SAME = 'if that is no secret, or may be, say `--no-redact`'

/** Made by the caller: chance is passed in. */
interface EditedIdentity {
  readonly id: string
  readonly idempotencyKey: string
}

/**
 * A copy of the entry under a new id, with a new idempotency key where it had one: for the provider it is another
 * request.
 * @throws {OperationError} when the edit cannot be made
 * @throws {DeadLetterFormatError} when what comes out could not be sent
 */
export function editedRecord(
  entry: DeadLetter,
  edit: RecordEdit,
  identity: EditedIdentity,
): DeadLetterRecord {
  const {
    sealed,
    notReplayableReason,
    replayable,
    repeatable,
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
    throw new OperationError(
      'the body of this entry is sealed, and a seal does not hold for an edited copy: give the whole body',
    )
  }
  const request = editedBody(editedHeaders(editedTarget(rest.request, edit), edit), edit)
  const headers = idempotencyKey === undefined ? request.headers : withoutKey(request.headers, entry)
  const reason = stillNotReplayable(
    request,
    edit,
    replayable ? undefined : (notReplayableReason ?? 'body-unavailable'),
  )
  return checkedRecord({
    ...rest,
    id: identity.id,
    // as it is now it was never sent
    delivery: 'not-sent',
    request: { ...request, headers },
    replayable: reason === undefined,
    ...(reason === undefined ? {} : { notReplayableReason: reason }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey: identity.idempotencyKey }),
    // `true` was said of the request as it was; `false` is kept, which is the safe side
    ...(repeatable === false ? { repeatable } : {}),
    editedFrom: entry.id,
  })
}

/** Why it still cannot be replayed, after a body or a url that could not were replaced. */
function stillNotReplayable(
  request: DeadLetterRequest,
  edit: RecordEdit,
  before: NotReplayableReason | undefined,
): NotReplayableReason | undefined {
  // of what was cut, more than a body or a url may be missing
  if (before === 'request-too-large' || before === 'copy-for-sink') return before
  if (before !== undefined && before !== 'path-redacted' && edit.body === undefined) return before
  return isPathRedacted(request.url) ? 'path-redacted' : undefined
}

function editedTarget(request: DeadLetterRequest, { method, url, redact }: RecordEdit): DeadLetterRequest {
  const named = method === undefined ? request : { ...request, method: method.toUpperCase() }
  if (url === undefined) return named
  const before = checkUrl(request.url)
  if (!url.startsWith('/') && !/^https?:\/\//i.test(url)) {
    throw new InputError(
      'url',
      `must be an http(s) url or a path that begins with "/", got ${JSON.stringify(url)}`,
    )
  }
  // `//host/x` is another host, not a path
  const target = url.startsWith('/') ? `${before.origin}${url}` : url
  checkUrl(target)
  const { redactedQuery: _before, ...bare } = named
  const {
    url: kept,
    query,
    path,
  } = redactedUrl(target, redact === false ? { ...defaultRules.url, path: false } : defaultRules.url)
  if (path) {
    throw new OperationError(
      `the path of the new url has a part that looks like a credential, and would be stored in the open: ${STORE_ALL_THE_SAME}`,
    )
  }
  return { ...bare, url: kept, ...(query.length === 0 ? {} : { redactedQuery: query }) }
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
      throw new OperationError(
        `the header "${name}" holds a credential: it is given at the replay, never stored`,
      )
    }
    if (isTransportHeader(name)) {
      throw new OperationError(`the header "${name}" is made anew for every request`)
    }
    headers[name] = value
    omitted.delete(name)
  }
  const { omittedHeaders: _before, ...bare } = request
  return { ...bare, headers, ...(omitted.size === 0 ? {} : { omittedHeaders: [...omitted] }) }
}

function editedBody(request: DeadLetterRequest, { body, redact }: RecordEdit): DeadLetterRequest {
  if (body === undefined) return request
  const { body: _1, sha256: _2, bodyRedacted: _3, ...bare } = request
  if (body === null || body.byteLength === 0) return { ...bare, bytes: 0 }
  const bytes = Buffer.from(body)
  if (bytes.includes(REDACTED)) {
    throw new OperationError(`the new body still holds ${REDACTED}: put in what is to be sent`)
  }
  if (redact !== false && redactBody(bytes, bodyKind(request.headers), defaultRules).changed) {
    throw new OperationError(
      `the new body has a field that looks like a credential by its name, and would be stored in the open: ${STORE_ALL_THE_SAME}`,
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
