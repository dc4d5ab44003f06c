import { type Checks, integer, number, onlyOf, orInfinity, withDefault } from '../../checks.ts'
import type { ReplayOneOptions } from '../../dead-letter/replay/one.ts'
import { type CheckedOneOptions, oneChecks, type ReplayClassifyOptions } from '../../replay.ts'
import { type Logger, loggerOption } from '../../telemetry/reporter.ts'

/** What every consumer of dead letters can be told: the options of `replayDeadLetter`, and how fast it goes. */
export interface DeadLetterConsumerOptions
  extends Omit<ReplayOneOptions, 'redelivered'>, ReplayClassifyOptions {
  /** Requests per second at most, of this consumer, so that live traffic goes first. Default 20; `Infinity` for no limit. */
  ratePerSecond?: number | undefined
  /** Structured logs of each replay, and of what failed beside it. */
  logger?: Logger | undefined
}

/** What queues do not count: it is theirs to say how many are handed out at a time. */
type OfQueues = 'concurrency' | 'redelivered'

// a row that is forgotten below must not be found here
const { concurrency: _1, redelivered: _2, ratePerSecond: _3, logger: _4, ...checksOfOne } = oneChecks

export const consumerChecks: Checks<
  DeadLetterConsumerOptions & { [Name in OfQueues]?: undefined },
  CheckedOneOptions
> = {
  ...checksOfOne,
  concurrency: onlyOf('replayDeadLetters', 1),
  redelivered: onlyOf('replayDeadLetter', false),
  ratePerSecond: withDefault(orInfinity(number({ min: 0.001 })), 20),
  logger: loggerOption,
}

export const concurrencyCheck: Checks<
  { concurrency?: number },
  { readonly concurrency: number }
>['concurrency'] = withDefault(integer({ min: 1, max: 1000 }), 4)
