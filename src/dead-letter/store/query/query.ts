import { integerOption, numberOption, objectOption, oneOfOption, stringOption } from '../../../options.ts'
import { deadLetterReasons, deadLetterStatuses } from '../../record/record.ts'
import { decodeCursor, type ListPosition } from './cursor.ts'
import type { DeadLetterFilter } from './filter.ts'

/** Which entries to list, and where to go on. */
export interface DeadLetterQuery extends DeadLetterFilter {
  /** From the page before. */
  cursor?: string | undefined
  /** 1 to 1000; default 100. */
  limit?: number | undefined
}

const time = (option: string, value: unknown): number => numberOption(option, value, { min: 0 })

const conditions = {
  integration: stringOption,
  origin: stringOption,
  status: (option, value) => oneOfOption(option, value, deadLetterStatuses),
  reason: (option, value) => oneOfOption(option, value, deadLetterReasons),
  label: stringOption,
  code: stringOption,
  from: time,
  to: time,
} satisfies Record<keyof DeadLetterFilter, (option: string, value: unknown) => unknown>

/** Refuses unknown conditions and wrong types: a typo would select everything. */
export function checkFilter(
  option: string,
  filter: DeadLetterFilter,
  more: readonly string[] = [],
): DeadLetterFilter {
  const names = Object.keys(conditions) as (keyof DeadLetterFilter)[]
  objectOption(option, filter, [...names, ...more])
  for (const name of names) {
    if (filter[name] !== undefined) conditions[name](`${option}.${name}`, filter[name])
  }
  return filter
}

interface PageRequest {
  filter: DeadLetterFilter
  limit: number
  /** The last entry of the page before. */
  after: ListPosition | undefined
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
