import { integerOption, numberOption, objectOption, oneOfOption, stringOption } from '../options.ts'
import { deadLetterReasons, deadLetterStatuses, originOf, type DeadLetterRecord } from './record.ts'
import type { DeadLetterFilter, DeadLetterQuery } from './store.ts'

const filterKeys = ['name', 'origin', 'status', 'reason', 'label', 'code', 'from', 'to'] as const

/** Refuses unknown conditions and wrong types: a typo would select everything. */
export function checkFilter(
  option: string,
  filter: DeadLetterFilter,
  more: readonly string[] = [],
): DeadLetterFilter {
  objectOption(option, filter, [...filterKeys, ...more])
  if (filter.name !== undefined) stringOption(`${option}.name`, filter.name)
  if (filter.origin !== undefined) stringOption(`${option}.origin`, filter.origin)
  if (filter.label !== undefined) stringOption(`${option}.label`, filter.label)
  if (filter.code !== undefined) stringOption(`${option}.code`, filter.code)
  if (filter.status !== undefined) oneOfOption(`${option}.status`, filter.status, deadLetterStatuses)
  if (filter.reason !== undefined) oneOfOption(`${option}.reason`, filter.reason, deadLetterReasons)
  if (filter.from !== undefined) numberOption(`${option}.from`, filter.from, { min: 0 })
  if (filter.to !== undefined) numberOption(`${option}.to`, filter.to, { min: 0 })
  return filter
}

export interface PageRequest {
  filter: DeadLetterFilter
  limit: number
  /** The last entry of the page before. */
  after: { timestamp: number; id: string } | undefined
}

export function checkQuery(query: DeadLetterQuery = {}): PageRequest {
  checkFilter('query', query, ['cursor', 'limit'])
  const { cursor, limit, ...filter } = query
  return {
    filter,
    limit: limit === undefined ? 100 : integerOption('query.limit', limit, { min: 1, max: 1000 }),
    after: cursor === undefined ? undefined : decodeCursor(cursor),
  }
}

export function encodeCursor(entry: { timestamp: number; id: string }): string {
  return Buffer.from(`${entry.timestamp}:${entry.id}`).toString('base64url')
}

function decodeCursor(cursor: unknown): { timestamp: number; id: string } {
  const text = Buffer.from(stringOption('query.cursor', cursor), 'base64url').toString()
  const colon = text.indexOf(':')
  const timestamp = Number(text.slice(0, colon))
  if (colon < 1 || !Number.isFinite(timestamp)) {
    throw new RangeError(`\`query.cursor\` must be the \`cursor\` of a page, got ${JSON.stringify(cursor)}`)
  }
  return { timestamp, id: text.slice(colon + 1) }
}

/** What a filter looks at; stores keep it beside the record. */
export interface DeadLetterSummary {
  readonly name: string
  readonly status: string
  readonly reason: string
  readonly timestamp: number
  readonly origin: string
  readonly code: string
  readonly labels: Readonly<Record<string, string>> | undefined
}

export function summaryOf(entry: DeadLetterRecord & { readonly status: string }): DeadLetterSummary {
  const { name, status, reason, timestamp, labels } = entry
  return { name, status, reason, timestamp, labels, origin: originOf(entry), code: lastCode(entry) }
}

export function matchesFilter(entry: DeadLetterSummary, filter: DeadLetterFilter): boolean {
  for (const condition of ['name', 'status', 'reason', 'origin', 'code'] as const) {
    if (filter[condition] !== undefined && entry[condition] !== filter[condition]) return false
  }
  if (filter.from !== undefined && entry.timestamp < filter.from) return false
  if (filter.to !== undefined && entry.timestamp >= filter.to) return false
  return filter.label === undefined || hasLabel(entry.labels, filter.label)
}

/** The code by which people look for an entry: the status it ended with, else the code of its error. */
export function lastCode(entry: Pick<DeadLetterRecord, 'error' | 'response'>): string {
  return entry.response === undefined
    ? (entry.error.code ?? entry.error.name)
    : String(entry.response.statusCode)
}

function hasLabel(labels: DeadLetterSummary['labels'], label: string): boolean {
  const equals = label.indexOf('=')
  const key = equals === -1 ? label : label.slice(0, equals)
  if (labels === undefined || !Object.hasOwn(labels, key)) return false
  return equals === -1 || labels[key] === label.slice(equals + 1)
}
