import { type Checks, duration, integer, onlyOf, withDefault } from '../../checks.ts'
import { signalOption } from '../../options.ts'
import { type Logger, loggerOption } from '../../telemetry/reporter.ts'
import type { DeadLetterFilter } from '../store/query/filter.ts'
import { checkFilter } from '../store/query/query.ts'

/** Options of one run. */
export interface ForwardOptions {
  /**
   * Which entries leave the store; evaluated there. Where it names no `status`, only what is `pending` goes, and so by
   * default: what is in doubt or quarantined waits for a person, where it can be looked at.
   */
  filter?: DeadLetterFilter | undefined
  /** Entries per run at most, not counting those that the sink refuses. Default: no limit. */
  limit?: number | undefined
  /** How long the sink may take for one batch of at most 200, in milliseconds. Default 10,000; at most 14,000. */
  timeoutMs?: number | undefined
  /** Ends the run after the batch in hand. */
  signal?: AbortSignal | undefined
  /** Hears of entries that the sink refuses. Default: process warnings. */
  logger?: Logger | undefined
}

/** Options of a forwarder. */
export interface ForwarderOptions extends Omit<ForwardOptions, 'signal' | 'limit'> {
  /** The wait between two runs, in milliseconds, spread by half in both directions. Default 1,000. */
  intervalMs?: number | undefined
}

export interface ForwardPolicy {
  readonly filter: DeadLetterFilter
  readonly limit: number
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly logger: Logger | undefined
}

export const forwardChecks: Checks<ForwardOptions, ForwardPolicy> = {
  filter: withDefault(
    (name, value) => {
      const filter = checkFilter(name, value as DeadLetterFilter)
      return { ...filter, status: filter.status ?? 'pending' }
    },
    { status: 'pending' },
  ),
  limit: withDefault(integer({ min: 1 }), Infinity),
  // an entry is leased for 30 s while it is handed over, and looking for a bad one may take as long again
  timeoutMs: withDefault(integer({ min: 1, max: 14_000 }), 10_000),
  signal: signalOption,
  logger: loggerOption,
}

export const forwarderChecks: Checks<
  ForwarderOptions & { signal?: undefined; limit?: undefined },
  ForwardPolicy & { readonly intervalMs: number }
> = {
  ...forwardChecks,
  signal: onlyOf('forwardDeadLetters', undefined),
  limit: onlyOf('forwardDeadLetters', Infinity),
  intervalMs: withDefault(duration({ min: 1 }), 1000),
}
