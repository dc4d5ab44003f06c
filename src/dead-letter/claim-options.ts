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

/** What becomes of entries whose replayer was lost while sending them. */
export interface LapseRules {
  readonly maxReplays: number
  readonly lapseDelayMs: number
}

export interface ClaimRequest extends LapseRules {
  readonly limit: number
  readonly leaseMs: number
  readonly filter: DeadLetterFilter | undefined
  readonly ids: readonly string[] | undefined
  readonly transfer: boolean
}

const claimOptionNames: readonly (keyof ClaimOptions)[] = [
  'limit',
  'leaseMs',
  'maxReplays',
  'lapseDelayMs',
  'filter',
  'ids',
  'purpose',
]

export function checkClaim(options: ClaimOptions): ClaimRequest {
  objectOption('claim', options, claimOptionNames)
  const { filter, ids, purpose, maxReplays, lapseDelayMs = 0 } = options
  return {
    limit: integerOption('limit', options.limit, { min: 1, max: 1000 }),
    leaseMs: durationOption('leaseMs', options.leaseMs, 1),
    maxReplays: maxReplays === undefined ? Infinity : integerOption('maxReplays', maxReplays, { min: 1 }),
    lapseDelayMs: durationOption('lapseDelayMs', lapseDelayMs),
    filter: filter === undefined ? undefined : checkFilter('filter', filter),
    ids: ids === undefined ? undefined : arrayOption('ids', ids, stringOption),
    transfer:
      purpose === undefined
        ? false
        : oneOfOption('purpose', purpose, ['replay', 'transfer'] as const) === 'transfer',
  }
}
