import { createHash } from 'node:crypto'
import { MAX_RECORD_CHARS } from '../../../dead-letter/record/bounds.ts'
import {
  DeadLetterFormatError,
  parseJson,
  recordFromJson,
  replaysFromValue,
} from '../../../dead-letter/record/json.ts'
import {
  type DeadLetter,
  type DeadLetterRecord,
  type DeadLetterState,
  deadLetterStatuses,
  isRepeatable,
  originOf,
} from '../../../dead-letter/record/record.ts'
import { isReplayable } from '../../../dead-letter/store/lifecycle.ts'
import { type DeadLetterSummary, lastCode } from '../../../dead-letter/store/query/summary.ts'
import { mayBeEvicted } from '../../../dead-letter/store/retention.ts'

/**
 * What is kept of an entry beside its payload, as JSON: what filters and claims look at, and where the entry stands.
 * Scripts add `bytes` and `payload`, the stream id, when they keep it, and `fence` and `leaseUntil` when they lease it.
 */
export interface StoredState {
  /** As it was read: a change is written only while this is what is stored. */
  readonly json: Buffer
  readonly fields: Readonly<Record<string, unknown>>
  readonly summary: DeadLetterSummary
  readonly state: DeadLetterState
  readonly replayable: boolean
  readonly repeatable: boolean
  /** Its payload or its state could not be read; it only waits to be discarded. */
  readonly unreadable: boolean
  readonly fence: number
  readonly leaseUntil: number
}

/** The hash of the ordering key, which may hold anything, while this may stand in a range of members. */
export function orderOf({ orderingKey }: DeadLetterRecord): string | undefined {
  if (orderingKey === undefined) return undefined
  return createHash('sha256').update(orderingKey).digest('base64url').slice(0, 22)
}

/** The state of a new entry. */
export function capturedState(
  record: DeadLetterRecord,
  { status, dueAt, note }: DeadLetterState,
  order: string | undefined,
): string {
  return JSON.stringify({
    timestamp: record.timestamp,
    integration: record.integration.toWellFormed(),
    origin: originOf(record),
    reason: record.reason,
    code: lastCode(record).toWellFormed(),
    labels: wellFormed(record.labels),
    order,
    replayable: isReplayable(record),
    repeatable: isRepeatable(record),
    kept: mayBeEvicted(record) ? undefined : true,
    status,
    dueAt,
    note: note?.toWellFormed(),
  })
}

/** The scripts cannot read a half of a surrogate pair, as a cut text may end with. */
function wellFormed(labels: DeadLetterRecord['labels']): DeadLetterRecord['labels'] {
  if (labels === undefined) return undefined
  return Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [key.toWellFormed(), value.toWellFormed()]),
  )
}

/** The stored state after a change of where the entry stands. */
export function changedState({ fields }: StoredState, state: DeadLetterState): string {
  const { status, dueAt, replayCount, note, leasedFrom } = state
  const replays = state.replays.map(({ code, ...replay }) => ({ ...replay, code: code?.toWellFormed() }))
  return JSON.stringify({
    ...fields,
    status,
    dueAt,
    replayCount: replayCount === 0 ? undefined : replayCount,
    // the scripts would make an object of an empty list
    replays: replays.length === 0 ? undefined : replays,
    note: note?.toWellFormed(),
    leasedFrom,
  })
}

/** {@link changedState} without its end, to which the script adds fence and end of the lease. */
export function leasedState(stored: StoredState, state: DeadLetterState): string {
  const { fence: _fence, leaseUntil: _leaseUntil, ...fields } = stored.fields
  return changedState({ ...stored, fields }, state).slice(0, -1)
}

/** What is left of an entry that cannot be read: enough to show it and to discard it. */
export function unreadableState(json: Buffer, message: string): string {
  let fields: Readonly<Record<string, unknown>> = {}
  try {
    fields = fieldsOf(json)
  } catch {
    // nothing of it can be taken over
  }
  const { timestamp, integration, origin, order, bytes, payload, kept } = fields
  return JSON.stringify({
    timestamp: natural(timestamp) ?? 0,
    integration: text(integration) ?? '',
    origin: text(origin) ?? '',
    order: text(order),
    bytes: size(bytes) ?? 0,
    payload: text(payload) ?? '0-0',
    replayable: false,
    kept: kept === true ? true : undefined,
    unreadable: true,
    status: 'quarantined',
    dueAt: 0,
    note: message.toWellFormed(),
  })
}

/**
 * Reads a stored state. At least as strict as the scripts: what they would leave alone is found here.
 * @throws {DeadLetterFormatError}
 */
export function storedState(json: Buffer): StoredState {
  const fields = fieldsOf(json)
  const { status, dueAt, bytes, payload, order, leaseUntil = 0, fence = 0, replayCount = 0 } = fields
  const knownStatus = statusOf(status)
  const numbers = [dueAt, size(bytes), leaseUntil, fence, replayCount].map(natural)
  const texts = [payload, order ?? ''].map(text)
  if (knownStatus === undefined || [...numbers, ...texts].includes(undefined)) throw unreadable()
  const leasedFrom = statusOf(fields['leasedFrom'])
  const { note, labels } = fields
  return {
    json,
    fields,
    summary: {
      integration: String(fields['integration']),
      origin: String(fields['origin']),
      status: knownStatus,
      reason: String(fields['reason']),
      code: String(fields['code']),
      timestamp: Number(fields['timestamp']),
      labels: typeof labels === 'object' && labels !== null ? (labels as Record<string, string>) : undefined,
    },
    state: {
      status: knownStatus,
      dueAt: Number(dueAt),
      replayCount: Number(replayCount),
      replays: fields['replays'] === undefined ? [] : replaysFromValue(fields['replays']),
      ...(typeof note === 'string' ? { note: note.slice(0, 4096) } : {}),
      ...(leasedFrom === undefined ? {} : { leasedFrom }),
    },
    replayable: fields['replayable'] === true,
    repeatable: fields['repeatable'] === true,
    unreadable: fields['unreadable'] === true,
    fence: Number(fence),
    leaseUntil: Number(leaseUntil),
  }
}

/** Labels are most of it, which a record may be full of; in UTF-8, beside its replays. */
const MAX_STATE_BYTES = 4 * MAX_RECORD_CHARS

/** @throws {DeadLetterFormatError} */
function fieldsOf(json: Buffer): Readonly<Record<string, unknown>> {
  const value = json.byteLength > MAX_STATE_BYTES ? undefined : parseJson(json.toString())
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable()
  return value as Readonly<Record<string, unknown>>
}

function unreadable(): DeadLetterFormatError {
  return new DeadLetterFormatError('its state cannot be read')
}

function statusOf(value: unknown): DeadLetterState['status'] | undefined {
  return deadLetterStatuses.find((known) => known === value)
}

function natural(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < 9e15
    ? value
    : undefined
}

/** More than any entry has: as in common.lua. */
const MAX_ENTRY_BYTES = 2 ** 32

function size(value: unknown): number | undefined {
  const bytes = natural(value)
  return bytes !== undefined && bytes <= MAX_ENTRY_BYTES ? bytes : undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/**
 * An entry from its state and the fields of its payload.
 * @throws {DeadLetterFormatError}
 */
export function entryOf(id: string, { state }: StoredState, fields: unknown): DeadLetter {
  if (!Array.isArray(fields)) throw new DeadLetterFormatError('its payload is gone, or too long to be read')
  const payload = new Map<string, Buffer>()
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const value: unknown = fields[i + 1]
    if (Buffer.isBuffer(value)) payload.set(String(fields[i]), value)
  }
  const record = recordFromJson(
    payload.get('record')?.toString() ?? '',
    filled(payload.get('body')),
    filled(payload.get('sealed')),
  )
  if (record.id !== id) throw new DeadLetterFormatError('its payload is that of another entry')
  return { ...record, ...state }
}

/** An empty field stands for none. */
function filled(bytes: Buffer | undefined): Buffer | undefined {
  return bytes === undefined || bytes.byteLength === 0 ? undefined : bytes
}
