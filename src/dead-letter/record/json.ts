import { isError } from '../../errors.ts'
import { MAX_INTEGRATION_CHARS } from '../../options.ts'
import {
  MAX_CODE_CHARS,
  MAX_ERROR_DEPTH,
  MAX_ERROR_PARTS,
  MAX_HEADER_CHARS,
  MAX_ITEMS,
  MAX_LABEL_CHARS,
  MAX_MESSAGE_CHARS,
  MAX_METHOD_CHARS,
  MAX_ORDERING_KEY_CHARS,
  MAX_RECORD_CHARS,
  MAX_STORED_BODY_BYTES,
  MAX_TRACEPARENT_CHARS,
  MAX_URL_CHARS,
} from './bounds.ts'
import {
  boolean,
  DeadLetterFormatError,
  dictionary,
  headerValue,
  identifier,
  integer,
  list,
  name,
  object,
  optional,
  text,
  wrong,
} from './fields.ts'
import {
  deadLetterReasons,
  notReplayableReasons,
  type NotReplayableReason,
  type DeadLetterAttempt,
  type DeadLetterError,
  type DeadLetterRecord,
  type DeadLetterReplay,
  type DeadLetterRequest,
  type DeadLetterResponse,
} from './record.ts'

export { DeadLetterFormatError } from './fields.ts'

/** The record without its bodies, which stores keep beside it as bytes. */
export function recordToJson(record: DeadLetterRecord): string {
  const { request, sealed } = record
  // field by field: taking two fields out of a copy costs more than writing the whole
  return JSON.stringify({
    version: record.version,
    id: record.id,
    integration: record.integration,
    timestamp: record.timestamp,
    firstAttemptAt: record.firstAttemptAt,
    reason: record.reason,
    delivery: record.delivery,
    retryCount: record.retryCount,
    attempts: record.attempts,
    history: record.history,
    request: {
      method: request.method,
      url: request.url,
      headers: request.headers,
      omittedHeaders: request.omittedHeaders,
      redactedQuery: request.redactedQuery,
      bytes: request.bytes,
      sha256: request.sha256,
      bodyRedacted: request.bodyRedacted,
    },
    response: record.response,
    error: record.error,
    replayable: record.replayable,
    notReplayableReason: record.notReplayableReason,
    repeatable: record.repeatable,
    idempotencyKey: record.idempotencyKey,
    idempotencyHeader: record.idempotencyHeader,
    orderingKey: record.orderingKey,
    labels: record.labels,
    cut: record.cut,
    traceparent: record.traceparent,
    notBefore: record.notBefore,
    sealed: sealed === undefined ? undefined : { keyId: sealed.keyId },
    editedFrom: record.editedFrom,
  } satisfies Record<keyof DeadLetterRecord, unknown>)
}

/**
 * Reads a stored record. Every field is checked and copied, so that neither an unknown key (`__proto__`), nor a wrong
 * type, nor a depth or size beyond the limits gets any further.
 * @throws {DeadLetterFormatError} naming the field.
 */
export function recordFromJson(json: string, body?: Uint8Array, sealed?: Uint8Array): DeadLetterRecord {
  checkSizes(json, body, sealed)
  return recordFromValue(parseJson(json), body, sealed)
}

function checkSizes(json: string, body: Uint8Array | undefined, sealed: Uint8Array | undefined): void {
  if (json.length > MAX_RECORD_CHARS) {
    throw new DeadLetterFormatError(`the record has ${json.length} characters, more than ${MAX_RECORD_CHARS}`)
  }
  const bytes = sizeOf(body, sealed)
  if (bytes > MAX_STORED_BODY_BYTES) {
    throw new DeadLetterFormatError(`the bodies have ${bytes} bytes, more than ${MAX_STORED_BODY_BYTES}`)
  }
}

function sizeOf(body: Uint8Array | undefined, sealed: Uint8Array | undefined): number {
  return (body?.byteLength ?? 0) + (sealed?.byteLength ?? 0)
}

/**
 * What a store keeps of the record: its JSON, and a copy of its own, which nobody else changes afterwards. What could not
 * be read back is not taken.
 * @throws {DeadLetterFormatError} naming the field
 */
export function storable(record: DeadLetterRecord): { json: string; copy: DeadLetterRecord; bytes: number } {
  try {
    const { request, sealed } = record
    const copy = recordFromValue(record, request.body, sealed?.data)
    const json = recordToJson(copy)
    checkSizes(json, request.body, sealed?.data)
    const bytes = Buffer.byteLength(json) + sizeOf(request.body, sealed?.data)
    return { json, copy, bytes }
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    throw new DeadLetterFormatError(
      `dead letter ${String(record.id).slice(0, 128)}: ${error.message}`,
      record.id,
    )
  }
}

/** Whether what a store would keep of the record could be read back. */
export function isStorable(record: DeadLetterRecord): boolean {
  try {
    storable(record)
    return true
  } catch {
    return false
  }
}

export function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    throw new DeadLetterFormatError(
      `not JSON: ${isError(error) ? error.message.slice(0, 200) : 'unreadable'}`,
    )
  }
}

export function recordFromValue(
  value: unknown,
  body?: Uint8Array,
  sealedData?: Uint8Array,
): DeadLetterRecord {
  const fields = object('record', value)
  if (fields['version'] !== 1) {
    throw new DeadLetterFormatError(
      `\`version\` must be 1, got ${JSON.stringify(fields['version'])?.slice(0, 40)}`,
    )
  }
  const keyId =
    fields['sealed'] === undefined
      ? undefined
      : text('sealed.keyId', object('sealed', fields['sealed'])['keyId'], 256)
  const delivery = fields['delivery']
  if (delivery !== 'not-sent' && delivery !== 'unknown' && delivery !== 'responded') throw wrong('delivery')
  const reason = deadLetterReasons.find((known) => known === fields['reason'])
  if (reason === undefined) throw wrong('reason')
  return {
    version: 1,
    id: identifier(fields['id']),
    integration: text('integration', fields['integration'], MAX_INTEGRATION_CHARS),
    timestamp: integer('timestamp', fields['timestamp']),
    firstAttemptAt: optional(fields['firstAttemptAt'], (v) => integer('firstAttemptAt', v)),
    reason,
    delivery,
    retryCount: integer('retryCount', fields['retryCount']),
    attempts: integer('attempts', fields['attempts']),
    history: list('history', fields['history'], 1000, attempt),
    request: request(fields['request'], body),
    response: optional(fields['response'], response),
    error: error(fields['error'], 0),
    replayable: boolean('replayable', fields['replayable']),
    notReplayableReason: optional(fields['notReplayableReason'], notReplayable),
    repeatable: optional(fields['repeatable'], (v) => boolean('repeatable', v)),
    idempotencyKey: optional(fields['idempotencyKey'], (v) => text('idempotencyKey', v, MAX_HEADER_CHARS)),
    idempotencyHeader: optional(fields['idempotencyHeader'], (v) => text('idempotencyHeader', v, 256)),
    orderingKey: optional(fields['orderingKey'], (v) => text('orderingKey', v, MAX_ORDERING_KEY_CHARS)),
    labels: optional(fields['labels'], (v) =>
      dictionary('labels', v, (name, item) => text(name, item, MAX_LABEL_CHARS)),
    ),
    cut: optional(fields['cut'], (v) => list('cut', v, MAX_ITEMS, name)),
    traceparent: optional(fields['traceparent'], (v) => text('traceparent', v, MAX_TRACEPARENT_CHARS)),
    notBefore: optional(fields['notBefore'], (v) => integer('notBefore', v)),
    sealed: keyId === undefined ? undefined : { keyId, data: sealedData },
    editedFrom: optional(fields['editedFrom'], (v) => text('editedFrom', v, 128)),
  }
}

function request(value: unknown, body: Uint8Array | undefined): DeadLetterRequest {
  const fields = object('request', value)
  return {
    method: text('request.method', fields['method'], MAX_METHOD_CHARS),
    url: text('request.url', fields['url'], MAX_URL_CHARS),
    headers: dictionary('request.headers', fields['headers'], headerValue),
    omittedHeaders: optional(fields['omittedHeaders'], (v) =>
      list('request.omittedHeaders', v, MAX_ITEMS, name),
    ),
    redactedQuery: optional(fields['redactedQuery'], (v) =>
      list('request.redactedQuery', v, MAX_ITEMS, name),
    ),
    body,
    bytes: integer('request.bytes', fields['bytes']),
    sha256: optional(fields['sha256'], (v) => text('request.sha256', v, 64)),
    bodyRedacted: optional(fields['bodyRedacted'], (v) => boolean('request.bodyRedacted', v)),
  }
}

function response(value: unknown): DeadLetterResponse {
  const fields = object('response', value)
  return {
    statusCode: integer('response.statusCode', fields['statusCode']),
    headers: dictionary('response.headers', fields['headers'], headerValue),
    body: optional(fields['body'], (v) => text('response.body', v, MAX_RECORD_CHARS)),
    truncated: optional(fields['truncated'], (v) => boolean('response.truncated', v)),
  }
}

function attempt(field: string, value: unknown): DeadLetterAttempt {
  const fields = object(field, value)
  return {
    at: integer(`${field}.at`, fields['at']),
    ms: integer(`${field}.ms`, fields['ms']),
    statusCode: optional(fields['statusCode'], (v) => integer(`${field}.statusCode`, v)),
    code: optional(fields['code'], (v) => text(`${field}.code`, v, MAX_CODE_CHARS)),
  }
}

function error(value: unknown, depth: number): DeadLetterError {
  if (depth > MAX_ERROR_DEPTH) {
    throw new DeadLetterFormatError(`\`error\` is nested deeper than ${MAX_ERROR_DEPTH}`)
  }
  const fields = object('error', value)
  return {
    name: text('error.name', fields['name'], MAX_CODE_CHARS),
    message: text('error.message', fields['message'], MAX_MESSAGE_CHARS),
    code: optional(fields['code'], (v) => text('error.code', v, MAX_CODE_CHARS)),
    cause: optional(fields['cause'], (v) => error(v, depth + 1)),
    errors: optional(fields['errors'], (v) =>
      list('error.errors', v, MAX_ERROR_PARTS, (_, item) => error(item, depth + 1)),
    ),
  }
}

const replayOutcomes = ['done', 'failed', 'in-doubt', 'refused', 'lapsed'] as const

/** Reads the `replays` of an entry's state. */
export function replaysFromValue(value: unknown): DeadLetterReplay[] {
  return list('replays', value, 100, (field, item) => {
    const fields = object(field, item)
    const outcome = replayOutcomes.find((known) => known === fields['outcome'])
    if (outcome === undefined) throw wrong(`${field}.outcome`)
    return {
      at: integer(`${field}.at`, fields['at']),
      ms: optional(fields['ms'], (v) => integer(`${field}.ms`, v)),
      outcome,
      statusCode: optional(fields['statusCode'], (v) => integer(`${field}.statusCode`, v)),
      code: optional(fields['code'], (v) => text(`${field}.code`, v, MAX_CODE_CHARS)),
    }
  })
}

function notReplayable(value: unknown): NotReplayableReason {
  const reason = notReplayableReasons.find((known) => known === value)
  if (reason === undefined) throw wrong('notReplayableReason')
  return reason
}
