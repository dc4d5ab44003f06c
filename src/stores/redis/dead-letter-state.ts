import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { lastCode, type DeadLetterSummary } from '../../dead-letter/filter.ts'
import { initialState, isSendable } from '../../dead-letter/lifecycle.ts'
import {
  DeadLetterFormatError,
  parseJson,
  recordFromJson,
  recordToJson,
  replaysFromValue,
} from '../../dead-letter/record-json.ts'
import {
  type DeadLetter,
  type DeadLetterRecord,
  type DeadLetterState,
  deadLetterStatuses,
  isRepeatable,
  originOf,
} from '../../dead-letter/record.ts'
import type { AddOptions } from '../../dead-letter/store.ts'

/** The arguments of one record for the capture script, and what they weigh. */
export interface CapturedArguments {
  readonly id: string
  /** What every record has. */
  readonly common: readonly (string | Buffer)[]
  /** What the script else takes for granted: due at its time, pending, no ordering key, not sealed. */
  readonly special: readonly (string | Buffer)[]
  readonly isCommon: boolean
  readonly bytes: number
}

export function captureArguments(record: DeadLetterRecord, options: AddOptions): CapturedArguments {
  const { status, dueAt, note } = initialState(record, options)
  const json = recordToJson(record)
  const { body } = record.request
  const sealed = record.sealed?.data
  // the key may hold anything; its hash may stand in a range of members
  const order =
    record.orderingKey === undefined
      ? ''
      : createHash('sha256').update(record.orderingKey).digest('base64url').slice(0, 22)
  const state = JSON.stringify({
    t: record.timestamp,
    n: record.name.toWellFormed(),
    o: originOf(record),
    r: record.reason,
    c: lastCode(record).toWellFormed(),
    l: wellFormed(record.labels),
    k: order === '' ? undefined : order,
    y: isSendable(record) ? 1 : 0,
    p: isRepeatable(record) ? 1 : 0,
    s: status,
    d: dueAt,
    w: note,
  })
  const time = String(record.timestamp)
  return {
    id: record.id,
    common: [record.id, time, state.slice(0, -1), json, argument(body)],
    special: [String(dueAt), status, order, argument(sealed)],
    isCommon: status === 'pending' && dueAt === record.timestamp && order === '' && sealed === undefined,
    bytes: Buffer.byteLength(json) + (body?.byteLength ?? 0) + (sealed?.byteLength ?? 0),
  }
}

/** The scripts cannot read a half of a surrogate pair, as a cut text may end with. */
function wellFormed(labels: DeadLetterRecord['labels']): DeadLetterRecord['labels'] {
  if (labels === undefined) return undefined
  return Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [key.toWellFormed(), value.toWellFormed()]),
  )
}

/** Text where it is text: one Buffer among its arguments makes the client copy each of them into one. */
function argument(bytes: Uint8Array | undefined): string | Buffer {
  if (bytes === undefined) return ''
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? buffer.toString('utf8') : buffer
}

function stateFields(json: string): Readonly<Record<string, unknown>> {
  const value = json.length > 1_000_000 ? undefined : parseJson(json)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DeadLetterFormatError('its state cannot be read')
  }
  return value as Readonly<Record<string, unknown>>
}

function statusOf(value: unknown): DeadLetterState['status'] | undefined {
  return deadLetterStatuses.find((known) => known === value)
}

/** @throws {DeadLetterFormatError} */
function stateFrom(json: string): DeadLetterState {
  const fields = stateFields(json)
  const status = statusOf(fields['s'])
  if (status === undefined || typeof fields['d'] !== 'number')
    throw new DeadLetterFormatError('its state cannot be read')
  const leasedFrom = statusOf(fields['v'])
  return {
    status,
    dueAt: fields['d'],
    replayCount: typeof fields['x'] === 'number' ? fields['x'] : 0,
    replays: fields['h'] === undefined ? [] : replaysFromValue(fields['h']),
    ...(typeof fields['w'] === 'string' ? { note: fields['w'].slice(0, 4096) } : {}),
    ...(leasedFrom === undefined ? {} : { leasedFrom }),
  }
}

/**
 * An entry from its state and the fields of its payload.
 * @throws {DeadLetterFormatError}
 */
export function entryFrom(id: string, stateJson: string, fields: unknown): DeadLetter {
  if (!Array.isArray(fields)) throw new DeadLetterFormatError('its payload is gone, or too long to be read')
  const payload = new Map<string, Buffer>()
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value: unknown = fields[i + 1]
    if (Buffer.isBuffer(value)) payload.set(String(fields[i]), value)
  }
  const record = recordFromJson(
    payload.get('r')?.toString() ?? '',
    filled(payload.get('b')),
    filled(payload.get('e')),
  )
  if (record.id !== id) throw new DeadLetterFormatError('its payload is that of another entry')
  return { ...record, ...stateFrom(stateJson) }
}

/** An empty field stands for none. */
function filled(bytes: Buffer | undefined): Buffer | undefined {
  return bytes === undefined || bytes.byteLength === 0 ? undefined : bytes
}

/** What filters look at; `undefined` for what cannot be read. */
export function summaryFrom(
  json: string | null | undefined,
): (DeadLetterSummary & { dueAt: number }) | undefined {
  if (json === null || json === undefined) return undefined
  let fields: Readonly<Record<string, unknown>>
  try {
    fields = stateFields(json)
  } catch {
    // reading the entry itself says what is wrong with it
    return undefined
  }
  const { n, s, r, o, c, t, l, d } = fields
  const labels = typeof l === 'object' && l !== null ? (l as Record<string, string>) : undefined
  return {
    name: String(n),
    status: String(s),
    reason: String(r),
    origin: String(o),
    code: String(c),
    timestamp: Number(t),
    labels,
    dueAt: Number(d),
  }
}
