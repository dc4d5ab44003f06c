import type { SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { parseJson, recordFromJson, replaysFromValue } from '../../dead-letter/record-json.ts'
import { deadLetterStatuses, type DeadLetter, type DeadLetterState } from '../../dead-letter/record.ts'
import type { DeadLetterFilter } from '../../dead-letter/store.ts'

export type Row = Record<string, SQLOutputValue>

/** Reads the mutable part of a row. */
export function stateOf(row: Row): DeadLetterState {
  const status = deadLetterStatuses.find((known) => known === row['status']) ?? 'quarantined'
  const leasedFrom = deadLetterStatuses.find((known) => known === row['leased_from'])
  return {
    status,
    dueAt: Number(row['due_at']),
    replayCount: Number(row['replay_count']),
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
  equal('name', filter.name)
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
    const equals = filter.label.indexOf('=')
    const key = equals === -1 ? filter.label : filter.label.slice(0, equals)
    const value = equals === -1 ? undefined : filter.label.slice(equals + 1)
    // json_each raises an error on damaged JSON, which would hide every other row
    sql.push(`CASE WHEN json_valid(d.labels) THEN EXISTS (
      SELECT 1 FROM json_each(d.labels) l WHERE l.key = ?${value === undefined ? '' : ' AND l.value = ?'}
    ) ELSE 0 END`)
    values.push(key)
    if (value !== undefined) values.push(value)
  }
  return { sql: sql.map((one) => ` AND ${one}`).join(''), values }
}
