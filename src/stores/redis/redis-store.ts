import { type Checks, duration, integer, object, resolveOptions, withDefault } from '../../checks.ts'
import { DEFAULT_MAX_CIRCUITS } from '../../circuit/registry.ts'
import type { SharedCircuitStore } from '../../circuit/store.ts'
import type { DeadLetterStore } from '../../dead-letter/store/store.ts'
import { stringOption } from '../../options.ts'
import type { LimitStore } from '../../rate-limit/store.ts'
import { redisCircuits, type RedisCircuitsSettings } from './circuits/circuits.ts'
import { CircuitLayout } from './circuits/layout.ts'
import { redisClientOption } from './client-option.ts'
import type { RedisClient } from './connection.ts'
import {
  redisDeadLetters,
  redisDeadLettersChecks,
  type RedisDeadLettersOptions,
  type RedisDeadLettersPolicy,
} from './dead-letters/dead-letters.ts'
import { redisLimits } from './limits/limits.ts'

/** Options of `redisStore`. */
export interface RedisStoreOptions {
  /** Begins every key and channel, after the client's own `keyPrefix`. No braces. Default 'undici-resilience'. */
  prefix?: string | undefined
  /** How often results are handed on to the other processes, in milliseconds, 20 to 10,000. Default 100. */
  flushIntervalMs?: number | undefined
  /** How often views that no reply has refreshed are compared, in milliseconds, at least 100. Default 1,000. */
  pollIntervalMs?: number | undefined
  /** After this many milliseconds without an answer the store counts as out of reach. At least 10. Default 250. */
  commandTimeoutMs?: number | undefined
  /** Circuits that this process keeps in view; the least recently used goes. Default 1,000. */
  maxCircuits?: number | undefined
  /**
   * How long the slot of a probe is kept for a process that died with it, in milliseconds, at least 1,000. Default
   * 10,000. A process that lives renews it, so it bounds no call.
   */
  leaseMs?: number | undefined
  /** Retention and timeout of dead letters. */
  deadLetters?: RedisDeadLettersOptions | undefined
}

/** What processes share through Redis. */
export interface RedisStore {
  /** Circuits that all processes share. */
  readonly circuits: SharedCircuitStore
  /** Limits and cool-downs that all processes share. */
  readonly limits: LimitStore
  /** Dead letters that all processes share. */
  readonly deadLetters: DeadLetterStore
  /** Writes what is pending and ends the connections that the store opened, never the client that it was handed. */
  close(): Promise<void>
}

interface RedisStorePolicy extends Pick<
  RedisCircuitsSettings,
  Exclude<keyof RedisStoreOptions, 'deadLetters'>
> {
  readonly deadLetters: RedisDeadLettersPolicy
}

const checks: Checks<RedisStoreOptions, RedisStorePolicy> = {
  prefix: withDefault(prefixOption, 'undici-resilience'),
  flushIntervalMs: withDefault(integer({ min: 20, max: 10_000 }), 100),
  pollIntervalMs: withDefault(duration({ min: 100 }), 1_000),
  commandTimeoutMs: withDefault(duration({ min: 10 }), 250),
  maxCircuits: withDefault(integer({ min: 1 }), DEFAULT_MAX_CIRCUITS),
  leaseMs: withDefault(duration({ min: 1_000 }), 10_000),
  deadLetters: object(redisDeadLettersChecks),
}

function prefixOption(name: string, value: unknown): string {
  const prefix = stringOption(name, value)
  if (!/[{}\s]/.test(prefix)) return prefix
  throw new RangeError(
    `\`${name}\` must be a string without braces and spaces, got ${JSON.stringify(prefix)}`,
  )
}

/**
 * A store that processes share through Redis >= 7.0 or Valkey. Takes an ioredis 5 or 6 client (`Redis` or `Cluster`),
 * connected or not, and opens connections of its own to the same place: yours is never used for commands. No call
 * waits for Redis while its circuit is closed or open, and no error of Redis reaches a call.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const store = redisStore(new Redis('redis://127.0.0.1:6379'))
 * setGlobalDispatcher(new Agent().compose(resilience({ store })))
 */
export function redisStore(redis: RedisClient, options: RedisStoreOptions = {}): RedisStore {
  redisClientOption('redis', redis)
  const { deadLetters: letterPolicy, ...settings } = resolveOptions('redisStore', checks, options)
  // connections are opened for what is used: a store that only keeps dead letters has none for circuits
  let circuits: ReturnType<typeof redisCircuits> | undefined
  let limits: LimitStore | undefined
  let deadLetters: DeadLetterStore | undefined
  return {
    get circuits() {
      return (circuits ??= redisCircuits(redis, settings))
    },
    // over the connections of the circuits
    get limits() {
      return (limits ??= redisLimits(
        (circuits ??= redisCircuits(redis, settings)).link,
        settings.prefix,
        settings.commandTimeoutMs,
      ))
    },
    get deadLetters() {
      return (deadLetters ??= redisDeadLetters(redis, settings.prefix, letterPolicy, {
        name: new CircuitLayout(redis, settings.prefix).channel,
        hear: (...message) => (circuits ??= redisCircuits(redis, settings)).link.hear(...message),
      }))
    },
    async close() {
      await Promise.all([
        limits?.close().then(() => circuits?.close()) ?? circuits?.close(),
        deadLetters?.close(),
      ])
    },
  }
}
