import type { DeadLetterReason, DeadLetterStatus } from '../../record/record.ts'
import type { DeadLetterSummary } from './summary.ts'

/** Which entries; every condition given must hold. Evaluated in the store. */
export interface DeadLetterFilter {
  integration?: string | undefined
  /** Exactly: `https://api.hubapi.com`. */
  origin?: string | undefined
  /** Where they stand. */
  status?: DeadLetterStatus | undefined
  /** Why their call ended. */
  reason?: DeadLetterReason | undefined
  /** `key=value`, `key` for any value, or `!key` for entries that have no such label. */
  label?: string | undefined
  /** Error code or status of the last attempt: `ECONNRESET`, `503`. */
  code?: string | undefined
  /** Captured at or after, epoch milliseconds. */
  from?: number | undefined
  /** Captured before, epoch milliseconds. */
  to?: number | undefined
}

export function matchesFilter(entry: DeadLetterSummary, filter: DeadLetterFilter): boolean {
  for (const condition of ['integration', 'status', 'reason', 'origin', 'code'] as const) {
    if (filter[condition] !== undefined && entry[condition] !== filter[condition]) return false
  }
  if (filter.from !== undefined && entry.timestamp < filter.from) return false
  if (filter.to !== undefined && entry.timestamp >= filter.to) return false
  return filter.label === undefined || hasLabel(entry.labels, filter.label)
}

/** What `label` asks for: `key=value`, `key` for any value, or `!key` for none. */
interface LabelCondition {
  readonly key: string
  /** `undefined`: any. */
  readonly value: string | undefined
  /** Only entries without the label. */
  readonly isAbsent: boolean
}

export function labelCondition(label: string): LabelCondition {
  if (label.startsWith('!')) return { key: label.slice(1), value: undefined, isAbsent: true }
  const equals = label.indexOf('=')
  return equals === -1
    ? { key: label, value: undefined, isAbsent: false }
    : { key: label.slice(0, equals), value: label.slice(equals + 1), isAbsent: false }
}

function hasLabel(labels: DeadLetterSummary['labels'], label: string): boolean {
  const { key, value, isAbsent } = labelCondition(label)
  if (labels === undefined || !Object.hasOwn(labels, key)) return isAbsent
  if (isAbsent) return false
  return value === undefined || labels[key] === value
}
