import type { Dispatcher } from 'undici'
import {
  arrayOption,
  booleanOption,
  durationOption,
  functionOption,
  integerOption,
  numberOption,
  objectOption,
  oneOfOption,
  shown,
  stringOption,
} from '../options.ts'
import { type Logger, loggerOption } from '../telemetry/reporter.ts'
import { checkFilter } from './filter.ts'
import type { DeadLetter } from './record.ts'
import type { ReplayCredentials, ReplayRules } from './replay-request.ts'
import type { HoldRules, ReplayPolicy } from './replay-decision.ts'
import type { ReplaySummary } from './replay-summary.ts'
import { Seal, type SealKeys } from './sealing.ts'
import type { DeadLetterFilter } from './store.ts'

/** One entry's turn. */
export interface ReplayProgress {
  readonly id: string
  readonly name: string
  readonly method: string
  /** Redacted. */
  readonly url: string
  readonly outcome:
    | 'done'
    | 'failed'
    | 'later'
    | 'refused'
    | 'quarantined'
    | 'in_doubt'
    | 'skipped'
    | 'corrupt'
    | 'would_send'
  readonly statusCode?: number | undefined
  /** Why, where it was not done. */
  readonly message?: string | undefined
  /** The run so far. */
  readonly summary: Readonly<ReplaySummary>
}

export interface ReplayOptions {
  /**
   * Where entries may go: exact origins, `https://api.hubapi.com`. Entries of other origins are left alone: whoever can
   * write the store could otherwise have credentials sent anywhere.
   */
  allowedOrigins: readonly string[]
  /** Sends the requests. Default: undici's global dispatcher. One with our stack obeys the circuit. */
  dispatcher?: Dispatcher
  /**
   * The credentials for an entry, attached after its origin was checked: headers, or `{ headers, query }`. Never stored.
   * Default: none.
   */
  credentials?: (record: DeadLetter) => ReplayCredentials | Promise<ReplayCredentials>
  /** Which entries; evaluated in the store. Default: all that are due. */
  filter?: DeadLetterFilter
  /** Only these, due or not, in doubt and quarantined ones included: a person's decision. */
  ids?: readonly string[]
  /** Requests at the same time. Default 4. */
  concurrency?: number
  /** Requests per second at most, so that live traffic goes first. Default 20; `Infinity` for no limit. */
  ratePerSecond?: number
  /** Sends and changes nothing; says what would be sent and what is missing for it. Default false. */
  dryRun?: boolean
  /** Ends the run: nothing more is sent, what is being sent is finished and recorded. */
  signal?: AbortSignal
  onProgress?: (progress: ReplayProgress) => void
  /** Replays that fail before an entry is quarantined. Default 5. */
  maxReplays?: number
  /** How long an entry is held, in milliseconds; renewed just before sending. Default 60,000. */
  leaseMs?: number
  /** The longest time of one request, in milliseconds; less than `leaseMs` by at least 100. Default half of it. */
  timeoutMs?: number
  /**
   * How long after the end of its lease an entry waits, in milliseconds, when its replayer was lost while sending it and
   * it may be sent again. A process that stands still (stopped, swapped out) cannot end its request; this is the time
   * for the provider to do so, before another process sends it. Default `leaseMs`.
   */
  lapseDelayMs?: number
  /**
   * How long the provider remembers an idempotency key, in milliseconds. An entry that may have arrived longer ago, in an
   * attempt or in a replay, is treated as one without a key. Default 24 hours, as Stripe and others promise; `Infinity` for
   * keys that are kept for good.
   */
  idempotencyKeyLifetimeMs?: number
  /**
   * What to do with an entry that may have arrived, is not idempotent, and has no key that the provider still knows.
   * `hold`: put it in doubt, for a person. `replay`: send it. Default `hold`; with `ids` `replay`, since a person has named it.
   */
  unknownDelivery?: 'hold' | 'replay'
  /** Base of the wait after a failed replay, in milliseconds. Default 30,000; it doubles. */
  initialBackoffMs?: number
  /** The longest wait, in milliseconds. Default one hour. */
  maxBackoffMs?: number
  /** Opens sealed entries. */
  seal?: SealKeys
  /** `send` goes on without headers that were not kept and nobody gives. Default `refuse`. */
  missingHeaders?: 'refuse' | 'send'
  /** Entries per run at most. Default: no limit. */
  limit?: number
  logger?: Logger
}

export const replayOptionNames: readonly (keyof ReplayOptions)[] = [
  'allowedOrigins',
  'dispatcher',
  'credentials',
  'filter',
  'ids',
  'concurrency',
  'ratePerSecond',
  'dryRun',
  'signal',
  'onProgress',
  'maxReplays',
  'leaseMs',
  'timeoutMs',
  'lapseDelayMs',
  'idempotencyKeyLifetimeMs',
  'unknownDelivery',
  'initialBackoffMs',
  'maxBackoffMs',
  'seal',
  'missingHeaders',
  'limit',
  'logger',
]

/** Replay options with every default filled in. */
export interface ReplayPlan extends ReplayPolicy, ReplayRules, HoldRules {
  readonly origins: readonly string[]
  readonly dispatcher: Dispatcher | undefined
  readonly credentials: ReplayOptions['credentials']
  readonly filter: DeadLetterFilter
  readonly ids: readonly string[] | undefined
  readonly concurrency: number
  readonly ratePerSecond: number
  readonly dryRun: boolean
  readonly signal: AbortSignal | undefined
  readonly onProgress: ReplayOptions['onProgress']
  readonly leaseMs: number
  readonly timeoutMs: number
  readonly lapseDelayMs: number
  readonly limit: number
  readonly logger: Logger | undefined
}

/** @throws TypeError, RangeError naming option, bound and value */
export function resolveReplayOptions(options: ReplayOptions): ReplayPlan {
  objectOption('replay', options, replayOptionNames)
  const allowed = arrayOption('allowedOrigins', options.allowedOrigins, originOption)
  if (allowed.length === 0) throw new RangeError('`allowedOrigins` must name at least one origin, got []')
  const filter = options.filter === undefined ? {} : checkFilter('filter', options.filter)
  if (filter.origin !== undefined && !allowed.includes(filter.origin)) {
    throw new RangeError(
      `\`filter.origin\` must be one of \`allowedOrigins\`, got ${JSON.stringify(filter.origin)}`,
    )
  }
  const leaseMs = durationOption('leaseMs', options.leaseMs ?? 60_000, 200)
  const { ratePerSecond = 20, idempotencyKeyLifetimeMs = 86_400_000, signal, limit } = options
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError('`signal` must be an AbortSignal')
  }
  const initialBackoffMs = durationOption('initialBackoffMs', options.initialBackoffMs ?? 30_000)
  return {
    allowedOrigins: new Set(allowed),
    origins: filter.origin === undefined ? [...new Set(allowed)] : [filter.origin],
    dispatcher: dispatcherOption(options.dispatcher),
    credentials: functionOption('credentials', options.credentials),
    filter,
    ids: options.ids === undefined ? undefined : arrayOption('ids', options.ids, stringOption),
    concurrency: integerOption('concurrency', options.concurrency ?? 4, { min: 1, max: 1000 }),
    ratePerSecond:
      ratePerSecond === Infinity ? Infinity : numberOption('ratePerSecond', ratePerSecond, { min: 0.001 }),
    dryRun: booleanOption('dryRun', options.dryRun ?? false),
    signal,
    onProgress: functionOption('onProgress', options.onProgress),
    maxReplays: integerOption('maxReplays', options.maxReplays ?? 5, { min: 1 }),
    leaseMs,
    timeoutMs: integerOption('timeoutMs', options.timeoutMs ?? Math.floor(leaseMs / 2), {
      min: 1,
      max: leaseMs - 100,
    }),
    lapseDelayMs: durationOption('lapseDelayMs', options.lapseDelayMs ?? leaseMs),
    idempotencyKeyLifetimeMs:
      idempotencyKeyLifetimeMs === Infinity
        ? Infinity
        : integerOption('idempotencyKeyLifetimeMs', idempotencyKeyLifetimeMs, { min: 0 }),
    unknownDelivery: oneOfOption(
      'unknownDelivery',
      options.unknownDelivery ?? (options.ids === undefined ? 'hold' : 'replay'),
      ['hold', 'replay'] as const,
    ),
    initialBackoffMs,
    maxBackoffMs: durationOption(
      'maxBackoffMs',
      options.maxBackoffMs ?? Math.max(3_600_000, initialBackoffMs),
      initialBackoffMs,
    ),
    seal: options.seal === undefined ? undefined : new Seal(options.seal),
    requireHeaders:
      oneOfOption('missingHeaders', options.missingHeaders ?? 'refuse', ['refuse', 'send'] as const) ===
      'refuse',
    limit: limit === undefined ? Infinity : integerOption('limit', limit, { min: 1 }),
    logger: loggerOption('logger', options.logger),
  }
}

function originOption(name: string, value: unknown): string {
  const text = stringOption(name, value)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.origin !== text) {
    throw new RangeError(
      `\`${name}\` must be an http or https origin such as "https://api.example.com", got ${JSON.stringify(text)}`,
    )
  }
  return text
}

function dispatcherOption(value: Dispatcher | undefined): Dispatcher | undefined {
  if (value !== undefined && typeof (value as Partial<Dispatcher> | null)?.dispatch !== 'function') {
    throw new TypeError(`\`dispatcher\` must be an undici Dispatcher, got ${shown(value)}`)
  }
  return value
}
