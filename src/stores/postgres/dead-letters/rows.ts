import {
  DeadLetterFormatError,
  parseJson,
  recordFromJson,
  replaysFromValue,
} from '../../../dead-letter/record/json.ts'
import {
  type DeadLetter,
  type DeadLetterState,
  deadLetterStatuses,
} from '../../../dead-letter/record/record.ts'
import { type DeadLetterFilter, labelCondition } from '../../../dead-letter/store/query/filter.ts'
import type { Row } from '../client.ts'

/** The largest whole number that JavaScript holds, in the text of statements. */
export const MAX_NATURAL = Number.MAX_SAFE_INTEGER

/** The longest lease that can be asked for, in milliseconds: a timer's. */
const MAX_LEASE_MS = 2 ** 31 - 1

/** All but `record` and bodies, as one JSON text: drivers differ in what they make of other types. */
export const STATE = `json_build_object('status', d.status, 'ts', d.ts, 'due_at', d.due_at, 'fence', d.fence,
  'lease_until', d.lease_until, 'replay_count', d.replay_count, 'replays', d.replays, 'note', d.note,
  'leased_from', d.leased_from, 'replayable', d.replayable, 'repeatable', d.repeatable, 'corrupt', d.corrupt)::text AS state`

/** Held by somebody, at the time of the expression `now`. A longer lease than can be asked for was given under a clock that was ahead. */
export function held(now: string): string {
  return `(d.status IN ('leased', 'sending') AND d.lease_until > ${now} AND d.lease_until <= ${now} + ${MAX_LEASE_MS})`
}

/** Nothing with the same ordering key is before it. Not as NOT EXISTS: that walks all the followers of a blocked one. */
export function isHead(table: string): string {
  return `(d.ordering_key IS NULL OR d.id = (SELECT o.id FROM ${table} o
    WHERE o.ordering_key = d.ordering_key AND o.status <> 'gone' ORDER BY o.id LIMIT 1))`
}

/** As text and `jsonb` can hold it: without NUL and without halves of surrogate pairs. */
export function plain(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed()
}

/** How JSON writes what {@link plain} takes out; text that looks so too. */
const notPlain = /\\u(?:0000|d[89a-f])/

/** JSON for `jsonb`, which refuses what {@link plain} takes out. */
export function plainJson(value: unknown): string {
  const json = JSON.stringify(value)
  // looking at each string takes longer than all the rest, and there is hardly ever one to be changed
  if (!notPlain.test(json)) return json
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'string' ? plain(item) : item))
}

/** The same, of the names of a dictionary too. */
export function plainNames(values: Readonly<Record<string, string>> | undefined): object | undefined {
  return values && Object.fromEntries(Object.entries(values).map(([name, value]) => [plain(name), value]))
}

/** Ids for `jsonb_array_elements_text`; what no entry can be called is left out. */
export function idsJson(ids: readonly string[]): string {
  return JSON.stringify(ids.filter((id) => id === plain(id)))
}

/** What is kept of an entry beside its record. */
export interface StoredState {
  readonly ts: number
  readonly fence: number
  readonly leaseUntil: number
  readonly replayable: boolean
  readonly repeatable: boolean
  readonly corrupt: boolean
  /** The status as it is stored, which may be no word of ours. */
  readonly status: string
  readonly state: DeadLetterState
}

/**
 * Reads the column {@link STATE}.
 * @throws {DeadLetterFormatError} for what no store has written there
 */
export function storedState(row: Row): StoredState {
  const fields = parseJson(String(row['state'])) as Readonly<Record<string, unknown>>
  const natural = (name: string): number => {
    const value = fields[name]
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
    throw new DeadLetterFormatError(`its ${name} is out of range: ${String(value)}`)
  }
  const leasedFrom = deadLetterStatuses.find((known) => known === fields['leased_from'])
  const { note } = fields
  return {
    ts: natural('ts'),
    fence: natural('fence'),
    leaseUntil: natural('lease_until'),
    replayable: fields['replayable'] === true,
    repeatable: fields['repeatable'] === true,
    corrupt: fields['corrupt'] === true,
    status: String(fields['status']),
    state: {
      status: deadLetterStatuses.find((known) => known === fields['status']) ?? 'quarantined',
      dueAt: natural('due_at'),
      replayCount: natural('replay_count'),
      replays: replaysFromValue(fields['replays']),
      ...(typeof note === 'string' ? { note } : {}),
      ...(leasedFrom === undefined ? {} : { leasedFrom }),
    },
  }
}

/**
 * Reads a row; `body` and `sealed` are there only when they were selected.
 * @throws {DeadLetterFormatError}
 */
export function deadLetterOf(row: Row): DeadLetter {
  const record = recordFromJson(String(row['record']), bytes(row['body']), bytes(row['sealed']))
  if (record.id !== row['id']) throw new DeadLetterFormatError('its record is that of another entry')
  return { ...record, ...storedState(row).state }
}

function bytes(value: unknown): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined
}

/**
 * A time that whole ones are compared with, as a bigint: compared with another type, the column is cast in each row, and no
 * index is of use.
 */
export function timeText(time: number): string {
  return String(Math.max(-1, Math.min(MAX_NATURAL + 1, Math.ceil(time))))
}

/** A filter as SQL conditions; their values are added to `values`. */
export function conditions(filter: DeadLetterFilter, values: unknown[]): string[] {
  const put = (value: string): string => `$${values.push(plain(value))}::text`
  const sql = ["d.status <> 'gone'"]
  for (const column of ['integration', 'origin', 'status', 'reason', 'code'] as const) {
    const value = filter[column]
    if (value !== undefined) sql.push(`d.${column} = ${put(value)}`)
  }
  if (filter.from !== undefined) sql.push(`d.ts >= ${put(timeText(filter.from))}::bigint`)
  if (filter.to !== undefined) sql.push(`d.ts < ${put(timeText(filter.to))}::bigint`)
  if (filter.label !== undefined) {
    const { key, value, isAbsent } = labelCondition(filter.label)
    // forms that a GIN index of a DBA serves; the operator `?` is a placeholder to some drivers
    if (value === undefined) sql.push(`d.labels -> ${put(key)} IS ${isAbsent ? '' : 'NOT '}NULL`)
    else sql.push(`d.labels @> jsonb_build_object(${put(key)}, ${put(value)})`)
  }
  return sql
}
