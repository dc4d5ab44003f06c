import type { IncomingHttpHeaders } from 'node:http'
import type { CallRequest } from '../call/call-request.ts'
import {
  type Check,
  type Checks,
  duration,
  integer,
  listOf,
  number,
  optional,
  withDefault,
} from '../checks.ts'
import { booleanOption, hookOption, integerOption, objectOption } from '../options.ts'
import type { Cost, LimitRule } from './limit.ts'

const DAY_MS = 86_400_000

/** One limit of a provider: so many units per interval. */
export interface LimitOptions {
  /** Units per interval, at least 1; of requests unless `cost` says otherwise. */
  limit: number
  /** The interval, in milliseconds, 100 to a day: a window that slides, which satisfies fixed windows and buckets too. */
  intervalMs: number
  /**
   * What an attempt costs, 0 or more, rounded up: tokens, points. Asked before the attempt, and again with its answer's headers:
   * what it then says replaces the first. More than `limit` counts as `limit`; a hook that throws counts as 1. Default:
   * one unit for each attempt.
   */
  cost?: Cost | undefined
}

/** What the headers of an answer say is left of a limit. */
export interface Remaining {
  /** The provider's limit, to tell several apart. */
  readonly limit?: number | undefined
  /** Units that are left of it. */
  readonly remaining: number
}

/** Rate limits and cool-downs of a provider. */
export interface RateLimitOptions {
  /**
   * Which limits a request belongs to. Default: its origin and a hash of its credentials (`authorization`, else cookies
   * and headers named as keys and tokens): the limits of one account are not another's. Give a key of your own where
   * tokens of one account change. A body that is a stream, as all of fetch are, cannot be read before it was sent: what
   * the hook says of the first attempt then holds for the whole call.
   */
  key?: ((request: CallRequest) => string) | undefined
  /** The provider's limits, all of which hold: requests and tokens, 100 per 10 s and 5 per second. Default: none known. */
  limits?: readonly LimitOptions[] | undefined
  /**
   * How much longer than the interval a request counts, in milliseconds, since the provider sees arrivals and not
   * departures. Default: 2 % of the interval, at least 50 and at most 200.
   */
  marginMs?: number | undefined
  /** Calls that wait per key and process, at least 1; more are refused. Default 1,000. */
  maxQueue?: number | undefined
  /**
   * The longest that a call waits for permits and cool-downs, over all its attempts, in milliseconds. Default 30,000; 0
   * refuses whatever cannot go at once. A total timeout bounds it as well.
   */
  maxWaitMs?: number | undefined
  /** The share of each limit that background calls leave for live ones, 0 to 1. Default 0.2. */
  reserve?: number | undefined
  /** Whether a 429, or a 503 with `Retry-After`, stops all calls of the key until then. Default true. */
  cooldown?: boolean | undefined
  /** The longest cool-down, in milliseconds, at least 1. A provider that asks for more is asked again then. Default 300,000. */
  maxCooldownMs?: number | undefined
  /**
   * What is left of the limits, as the headers of an answer say it: then strangers that use the same limits are known.
   * Default: the IETF's `RateLimit`, and headers named like `X-RateLimit-Remaining` where the limit beside them is one
   * of `limits`.
   */
  readLimits?: ((headers: IncomingHttpHeaders) => readonly Remaining[]) | undefined
  /**
   * Processes that share the limits, at least 1, for as long as the store has never said. Default 1. A process that
   * cannot reach the store goes on with its share.
   */
  processes?: number | undefined
}

/** Rate limit options, checked, with every default filled in. */
export interface RateLimitPolicy {
  readonly key: ((request: CallRequest) => string) | undefined
  readonly limits: readonly LimitRule[]
  readonly marginMs: number | undefined
  readonly maxQueue: number
  readonly maxWaitMs: number
  readonly reserve: number
  readonly cooldown: boolean
  readonly maxCooldownMs: number
  readonly readLimits: ((headers: IncomingHttpHeaders) => readonly Remaining[]) | undefined
  readonly processes: number
}

/** The options of rate limits: each with its bound and its default. */
export const rateLimitChecks: Checks<RateLimitOptions, RateLimitPolicy> = {
  key: hookOption,
  limits: withDefault(limitsOption, () => []),
  marginMs: optional(duration()),
  maxQueue: withDefault(integer({ min: 1 }), 1_000),
  maxWaitMs: withDefault(duration(), 30_000),
  reserve: withDefault(number({ max: 1 }), 0.2),
  cooldown: withDefault(booleanOption, true),
  maxCooldownMs: withDefault(duration({ min: 1 }), 300_000),
  readLimits: hookOption,
  processes: withDefault(integer({ min: 1 }), 1),
}

type LimitContext = Pick<RateLimitPolicy, 'marginMs' | 'reserve'>

function limitsOption(name: string, value: unknown, policy: LimitContext): readonly LimitRule[] {
  const item: Check<LimitRule> = (at, one) => limitRule(at, one, policy)
  return listOf(item)(name, value, undefined)
}

function limitRule(name: string, value: unknown, { marginMs, reserve }: LimitContext): LimitRule {
  objectOption(name, value, ['limit', 'intervalMs', 'cost'])
  const given = value as Partial<Record<keyof LimitOptions, unknown>>
  const limit = integerOption(`${name}.limit`, given.limit, { min: 1 })
  const intervalMs = integerOption(`${name}.intervalMs`, given.intervalMs, { min: 100, max: DAY_MS })
  const margin = marginMs ?? Math.min(200, Math.max(50, intervalMs * 0.02))
  return {
    limit,
    intervalMs,
    windowMs: Math.round(intervalMs + margin),
    reserved: Math.floor(limit * reserve),
    cost: hookOption<Cost>(`${name}.cost`, given.cost),
  }
}
