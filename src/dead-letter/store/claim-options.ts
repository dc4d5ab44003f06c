import {
  type Checks,
  duration,
  integer,
  listOf,
  oneOf,
  optional,
  resolveOptions,
  withDefault,
} from '../../checks.ts'
import { stringOption } from '../../options.ts'
import type { ClaimScope, LapseRules } from './lifecycle.ts'
import type { DeadLetterFilter } from './query/filter.ts'
import { checkFilter } from './query/query.ts'

/** Which entries to hand out, and for how long. */
export interface ClaimOptions {
  /** At most so many, 1 to 1000. */
  limit: number
  /** How long the claim holds, in milliseconds. */
  leaseMs: number
  /** A lapsed entry that has used up so many replays is quarantined instead of handed on. Default: no limit. */
  maxReplays?: number | undefined
  /**
   * How long after it is seen that its lease ended an entry waits, in milliseconds, that may be sent again and whose replayer was
   * lost while sending it. Default 0.
   */
  lapseDelayMs?: number | undefined
  /** Only entries for which every condition given holds. Default: all. */
  filter?: DeadLetterFilter | undefined
  /** Only these, whether due or not, and with status `in-doubt` or `quarantined` too: a person's decision. */
  ids?: readonly string[] | undefined
  /**
   * `replay` (default): pending entries that are due, replayable, and first of their ordering key.
   * `transfer`: every entry that nobody holds, for moving it to another store; never counts as a replay.
   */
  purpose?: 'replay' | 'transfer' | undefined
}

export interface ClaimRequest extends LapseRules, ClaimScope {
  readonly limit: number
  readonly leaseMs: number
  readonly filter: DeadLetterFilter | undefined
}

interface CheckedClaim extends Omit<ClaimRequest, 'transfer'> {
  readonly purpose: 'replay' | 'transfer'
}

const claimChecks: Checks<ClaimOptions, CheckedClaim> = {
  limit: integer({ min: 1, max: 1000 }),
  leaseMs: duration({ min: 1 }),
  maxReplays: withDefault(integer({ min: 1 }), Infinity),
  lapseDelayMs: withDefault(duration(), 0),
  filter: optional((name, value) => checkFilter(name, value as DeadLetterFilter)),
  ids: optional(listOf(stringOption)),
  purpose: withDefault(oneOf('replay', 'transfer'), 'replay'),
}

/** @throws TypeError, RangeError naming option, bound and value */
export function checkClaim(options: ClaimOptions): ClaimRequest {
  const { purpose, ...request } = resolveOptions('claim', claimChecks, options)
  return { ...request, transfer: purpose === 'transfer' }
}
