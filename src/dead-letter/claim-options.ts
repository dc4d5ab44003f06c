import {
  arrayOption,
  durationOption,
  integerOption,
  objectOption,
  oneOfOption,
  stringOption,
} from '../options.ts'
import { checkFilter } from './filter.ts'
import type { ClaimOptions, DeadLetterFilter } from './store.ts'

export interface ClaimRequest {
  readonly limit: number
  readonly leaseMs: number
  readonly maxReplays: number
  readonly filter: DeadLetterFilter | undefined
  readonly ids: readonly string[] | undefined
  readonly transfer: boolean
}

export function checkClaim(options: ClaimOptions): ClaimRequest {
  objectOption('claim', options, ['limit', 'leaseMs', 'maxReplays', 'filter', 'ids', 'purpose'])
  const { filter, ids, purpose, maxReplays } = options
  return {
    limit: integerOption('limit', options.limit, { min: 1, max: 1000 }),
    leaseMs: durationOption('leaseMs', options.leaseMs, 1),
    maxReplays: maxReplays === undefined ? Infinity : integerOption('maxReplays', maxReplays, { min: 1 }),
    filter: filter === undefined ? undefined : checkFilter('filter', filter),
    ids: ids === undefined ? undefined : arrayOption('ids', ids, stringOption),
    transfer:
      purpose === undefined
        ? false
        : oneOfOption('purpose', purpose, ['replay', 'transfer'] as const) === 'transfer',
  }
}
