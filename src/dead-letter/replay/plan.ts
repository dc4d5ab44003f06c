import type { Dispatcher } from 'undici'
import {
  type Checks,
  duration,
  integer,
  listOf,
  number,
  oneOf,
  ofOption,
  optional,
  orInfinity,
  withDefault,
} from '../../checks.ts'
import { httpOrigin } from '../../http/url/origin.ts'
import { originMeantBy } from '../../http/url/scope.ts'
import {
  arrayOption,
  booleanOption,
  functionOption,
  shown,
  signalOption,
  stringOption,
} from '../../options.ts'
import { type Logger, loggerOption } from '../../telemetry/reporter.ts'
import { Seal, type SealKeys } from '../record/sealing.ts'
import type { DeadLetterFilter } from '../store/query/filter.ts'
import { checkFilter } from '../store/query/query.ts'
import type { PrepareRules } from './entry/prepare.ts'
import type { SendRules } from './entry/send.ts'
import type { ReplayOptions } from './options.ts'

/** Replay options with every default filled in. */
export interface ReplayPlan extends PrepareRules, SendRules {
  readonly origins: readonly string[]
  readonly filter: DeadLetterFilter
  readonly ids: readonly string[] | undefined
  readonly concurrency: number
  readonly ratePerSecond: number
  readonly dryRun: boolean
  readonly signal: AbortSignal | undefined
  readonly circuits: ReplayOptions['circuits']
  readonly onProgress: ReplayOptions['onProgress']
  readonly leaseMs: number
  readonly timeoutMs: number
  readonly lapseDelayMs: number
  readonly limit: number
  readonly logger: Logger | undefined
}

/** The options as they were given, but for what other rules make of them. */
export interface CheckedReplayOptions extends Omit<ReplayPlan, 'origins' | 'requireHeaders' | 'classifier'> {
  readonly missingHeaders: 'refuse' | 'send'
}

/** The options of a replay: each with its bound and its default. */
export const replayChecks: Checks<ReplayOptions, CheckedReplayOptions> = {
  allowedOrigins: allowedOriginsOption,
  dispatcher: optional(dispatcherOption),
  circuits: optional(circuitsOption),
  credentials: functionOption,
  decide: functionOption,
  filter: withDefault(filterOption, {}),
  ids: optional(listOf(stringOption)),
  concurrency: withDefault(integer({ min: 1, max: 1000 }), 4),
  ratePerSecond: withDefault(orInfinity(number({ min: 0.001 })), 20),
  dryRun: withDefault(booleanOption, false),
  signal: signalOption,
  onProgress: functionOption,
  maxReplays: withDefault(integer({ min: 1 }), 5),
  leaseMs: withDefault(duration({ min: 200 }), 60_000),
  timeoutMs: withDefault(integer({ min: 1, max: ofOption('leaseMs', { plus: -100 }) }), ({ leaseMs }) =>
    Math.floor(leaseMs / 2),
  ),
  lapseDelayMs: withDefault(duration(), ({ leaseMs }) => leaseMs),
  idempotencyKeyLifetimeMs: withDefault(orInfinity(integer()), 86_400_000),
  unknownDelivery: withDefault(oneOf('hold', 'replay'), ({ ids }) => (ids === undefined ? 'hold' : 'replay')),
  initialBackoffMs: withDefault(duration(), 30_000),
  maxBackoffMs: withDefault(duration({ min: ofOption('initialBackoffMs') }), ({ initialBackoffMs }) =>
    Math.max(3_600_000, initialBackoffMs),
  ),
  seal: optional((name, value) => new Seal(value as SealKeys, name)),
  requireSeal: withDefault(requireSealOption, false),
  missingHeaders: withDefault(oneOf('refuse', 'send'), 'refuse'),
  limit: withDefault(integer({ min: 1 }), Infinity),
  logger: loggerOption,
}

/** The plan that checked options make. */
export function replayPlan(
  { missingHeaders, ...options }: CheckedReplayOptions,
  classifier: ReplayPlan['classifier'],
): ReplayPlan {
  const { filter, allowedOrigins } = options
  const origins = filter.origin === undefined ? [...allowedOrigins] : [filter.origin]
  return { ...options, origins, requireHeaders: missingHeaders === 'refuse', classifier }
}

function requireSealOption(name: string, value: unknown, { seal }: Pick<ReplayPlan, 'seal'>): boolean {
  const required = booleanOption(name, value)
  if (required && seal === undefined) throw new TypeError(`\`${name}\` needs \`seal\`, got true without it`)
  return required
}

function allowedOriginsOption(name: string, value: unknown): ReadonlySet<string> {
  const origins = new Set(arrayOption(name, value, originOption))
  if (origins.size === 0) throw new RangeError(`\`${name}\` must name at least one origin, got []`)
  return origins
}

function filterOption(
  name: string,
  value: unknown,
  { allowedOrigins }: Pick<ReplayPlan, 'allowedOrigins'>,
): DeadLetterFilter {
  const filter = checkFilter(name, value as DeadLetterFilter)
  if (filter.origin === undefined || allowedOrigins.has(filter.origin)) return filter
  throw new RangeError(
    `\`${name}.origin\` must be one of \`allowedOrigins\`, got ${JSON.stringify(filter.origin)}`,
  )
}

function originOption(name: string, value: unknown): string {
  const text = stringOption(name, value)
  if (httpOrigin(text) === text) return text
  const origin = originMeantBy(text)
  const meant = origin === undefined ? '' : `; did you mean ${JSON.stringify(origin)}?`
  throw new RangeError(
    `\`${name}\` must be an http or https origin such as "https://api.example.com", got ${JSON.stringify(text)}${meant}`,
  )
}

/** One that only dispatches will do: nothing is composed on it. */
function dispatcherOption(name: string, value: unknown): Dispatcher {
  if (typeof (value as Partial<Dispatcher> | null)?.dispatch !== 'function') {
    throw new TypeError(`\`${name}\` must be an undici Dispatcher, got ${shown(value)}`)
  }
  return value as Dispatcher
}

function circuitsOption(name: string, value: unknown): ReplayOptions['circuits'] {
  const { state } = (value ?? {}) as { state?: unknown }
  if (typeof state === 'function') return value as ReplayOptions['circuits']
  throw new TypeError(`\`${name}\` must be circuits, as \`stack.circuits\`, got ${shown(value)}`)
}
