import type { SQLInputValue, SQLOutputValue } from 'node:sqlite'
import {
  DeadLetterFormatError,
  parseJson,
  recordFromJson,
  replaysFromValue,
} from '../../dead-letter/record/json.ts'
import { deadLetterStatuses, type DeadLetter, type DeadLetterState } from '../../dead-letter/record/record.ts'
import { type DeadLetterFilter, labelCondition } from '../../dead-letter/store/query/filter.ts'

export type Row = Record<string, SQLOutputValue>

/** Whole numbers of columns are read as `bigint`, since others make SQLite throw; as numbers where they can be. */
export function withNumbers(row: Row): Row {
  for (const column in row) {
    const value = row[column]
    if (typeof value === 'bigint' && BigInt(Number(value)) === value && isNatural(Number(value))) {
      row[column] = Number(value)
    }
  }
  return row
}

export function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** @throws {DeadLetterFormatError} for what no store has written there */
export function natural(row: Row, column: string): number {
  const value = row[column]
  if (!isNatural(value)) throw new DeadLetterFormatError(`its ${column} is out of range: ${String(value)}`)
  return value
}

/**
 * Reads the mutable part of a row.
 * @throws {DeadLetterFormatError}
 */
export function stateOf(row: Row): DeadLetterState {
  const status = deadLetterStatuses.find((known) => known === row['status']) ?? 'quarantined'
  const leasedFrom = deadLetterStatuses.find((known) => known === row['leased_from'])
  return {
    status,
    dueAt: natural(row, 'due_at'),
    replayCount: natural(row, 'replay_count'),
    replays: replaysFromValue(parseJson(String(row['replays']))),
    ...(typeof row['note'] === 'string' ? { note: row['note'] } : {}),
    ...(leasedFrom === undefined ? {} : { leasedFrom }),
  }
}

/**
 * Reads a row; `body` and `sealed` are there only when they were selected.
 * @throws {DeadLetterFormatError}
 */
export function deadLetterOf(row: Row): DeadLetter {
  const record = recordFromJson(String(row['record']), bytes(row['body']), bytes(row['sealed']))
  if (record.id !== row['id']) throw new DeadLetterFormatError('its record is that of another entry')
  natural(row, 'ts')
  return { ...record, ...stateOf(row) }
}

function bytes(value: SQLOutputValue | undefined): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined
}

/** A filter as SQL conditions with their values. */
export function conditions(filter: DeadLetterFilter): { sql: string; values: SQLInputValue[] } {
  const sql: string[] = []
  const values: SQLInputValue[] = []
  const equal = (column: string, value: string | undefined): void => {
    if (value === undefined) return
    sql.push(`d.${column} = ?`)
    values.push(value)
  }
  equal('integration', filter.integration)
  equal('origin', filter.origin)
  equal('status', filter.status)
  equal('reason', filter.reason)
  equal('code', filter.code)
  if (filter.from !== undefined) {
    sql.push('d.ts >= ?')
    values.push(filter.from)
  }
  if (filter.to !== undefined) {
    sql.push('d.ts < ?')
    values.push(filter.to)
  }
  if (filter.label !== undefined) {
    const { key, value, isAbsent } = labelCondition(filter.label)
    // json_each raises an error on damaged JSON, which would hide every other row
    sql.push(`CASE WHEN json_valid(d.labels) THEN ${isAbsent ? 'NOT ' : ''}EXISTS (
      SELECT 1 FROM json_each(d.labels) l WHERE l.key = ?${value === undefined ? '' : ' AND l.value = ?'}
    ) ELSE ${isAbsent ? 1 : 0} END`)
    values.push(key)
    if (value !== undefined) values.push(value)
  }
  return { sql: sql.map((one) => ` AND ${one}`).join(''), values }
}
