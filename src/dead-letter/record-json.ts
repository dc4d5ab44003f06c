import {
  boolean,
  DeadLetterFormatError,
  dictionary,
  headerValue,
  identifier,
  integer,
  list,
  MAX_HEADER_CHARS,
  name,
  object,
  optional,
  text,
  wrong,
} from './record-fields.ts'
import {
  deadLetterReasons,
  type DeadLetterAttempt,
  type DeadLetterError,
  type DeadLetterRecord,
  type DeadLetterReplay,
  type DeadLetterRequest,
  type DeadLetterResponse,
} from './record.ts'

export { DeadLetterFormatError } from './record-fields.ts'

/** The longest record without its bodies, in characters: headers, labels, errors and the response snapshot. */
export const MAX_RECORD_CHARS = 1024 * 1024

/** The longest body that is read back, in bytes. */
export const MAX_STORED_BODY_BYTES = 64 * 1024 * 1024

/** The longest of what the application or its callers choose, in characters. */
export const MAX_ORDERING_KEY_CHARS = 1024
export const MAX_LABEL_CHARS = 4096
export const MAX_TRACEPARENT_CHARS = 512

/** The record without its bodies, which stores keep beside it as bytes. */
export function recordToJson(record: DeadLetterRecord): string {
  const { request, sealed } = record
  // field by field: taking two fields out of a copy costs more than writing the whole
  return JSON.stringify({
    version: record.version,
    id: record.id,
    name: record.name,
    timestamp: record.timestamp,
    firstAttemptAt: record.firstAttemptAt,
    reason: record.reason,
    delivery: record.delivery,
    retryCount: record.retryCount,
    attempts: record.attempts,
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
  if (json.length > MAX_RECORD_CHARS) {
    throw new DeadLetterFormatError(`the record has ${json.length} characters, more than ${MAX_RECORD_CHARS}`)
  }
  const bytes = (body?.byteLength ?? 0) + (sealed?.byteLength ?? 0)
  if (bytes > MAX_STORED_BODY_BYTES) {
    throw new DeadLetterFormatError(`the bodies have ${bytes} bytes, more than ${MAX_STORED_BODY_BYTES}`)
  }
  return recordFromValue(parseJson(json), body, sealed)
}

/** Whether what a store would keep of the record could be read back. */
export function isStorable(record: DeadLetterRecord): boolean {
  try {
    // JSON makes null of numbers that are none, and so would hide them
    recordFromValue(record)
    recordFromJson(recordToJson(record), record.request.body, record.sealed?.data)
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
      `not JSON: ${error instanceof Error ? error.message.slice(0, 200) : 'unreadable'}`,
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
  if (delivery !== 'not_sent' && delivery !== 'unknown' && delivery !== 'responded') throw wrong('delivery')
  const reason = deadLetterReasons.find((known) => known === fields['reason'])
  if (reason === undefined) throw wrong('reason')
  return {
    version: 1,
    id: identifier(fields['id']),
    name: text('name', fields['name'], 256),
    timestamp: integer('timestamp', fields['timestamp']),
    firstAttemptAt: optional(fields['firstAttemptAt'], (v) => integer('firstAttemptAt', v)),
    reason,
    delivery,
    retryCount: integer('retryCount', fields['retryCount']),
    attempts: list('attempts', fields['attempts'], 1000, attempt),
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
    traceparent: optional(fields['traceparent'], (v) => text('traceparent', v, MAX_TRACEPARENT_CHARS)),
    notBefore: optional(fields['notBefore'], (v) => integer('notBefore', v)),
    sealed: keyId === undefined ? undefined : { keyId, data: sealedData },
    editedFrom: optional(fields['editedFrom'], (v) => text('editedFrom', v, 128)),
  }
}

function request(value: unknown, body: Uint8Array | undefined): DeadLetterRequest {
  const fields = object('request', value)
  return {
    method: text('request.method', fields['method'], 64),
    url: text('request.url', fields['url'], 65_536),
    headers: dictionary('request.headers', fields['headers'], headerValue),
    omittedHeaders: optional(fields['omittedHeaders'], (v) => list('request.omittedHeaders', v, 1000, name)),
    redactedQuery: optional(fields['redactedQuery'], (v) => list('request.redactedQuery', v, 1000, name)),
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
    code: optional(fields['code'], (v) => text(`${field}.code`, v, 256)),
  }
}

function error(value: unknown, depth: number): DeadLetterError {
  if (depth > 5) throw new DeadLetterFormatError('`error` is nested deeper than 5')
  const fields = object('error', value)
  return {
    name: text('error.name', fields['name'], 256),
    message: text('error.message', fields['message'], 8192),
    code: optional(fields['code'], (v) => text('error.code', v, 256)),
    cause: optional(fields['cause'], (v) => error(v, depth + 1)),
    errors: optional(fields['errors'], (v) =>
      list('error.errors', v, 5, (_, item) => error(item, depth + 1)),
    ),
  }
}

const replayOutcomes = ['done', 'failed', 'in_doubt', 'refused', 'lapsed'] as const

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
      code: optional(fields['code'], (v) => text(`${field}.code`, v, 256)),
    }
  })
}

const notReplayableReasons = [
  'body_too_large',
  'body_incomplete',
  'body_redacted',
  'body_unavailable',
] as const

function notReplayable(value: unknown): (typeof notReplayableReasons)[number] {
  const reason = notReplayableReasons.find((known) => known === value)
  if (reason === undefined) throw wrong('notReplayableReason')
  return reason
}
