import type { CircuitStore } from '../../circuit/store.ts'
import type { DeadLetterStore } from '../../dead-letter/store.ts'
import { DEFAULT_MAX_CIRCUITS } from '../../circuit/registry.ts'
import { durationOption, integerOption, objectOption, shown, stringOption } from '../../options.ts'
import { redisCircuits, type RedisCircuitsSettings } from './circuits.ts'
import type { RedisClient } from './connection.ts'
import { redisDeadLetters, resolveRedisDeadLetters, type RedisDeadLettersOptions } from './dead-letters.ts'

export interface RedisStoreOptions {
  /** Begins every key and channel, after the client's own `keyPrefix`. No braces. Default 'undici-resilience'. */
  prefix?: string
  /** How often results are handed on to the other processes, in milliseconds, 20 to 10,000. Default 100. */
  flushIntervalMs?: number
  /** How often views that no reply has refreshed are compared, in milliseconds, at least 100. Default 1,000. */
  pollIntervalMs?: number
  /** After this many milliseconds without an answer the store counts as out of reach. At least 10. Default 250. */
  commandTimeoutMs?: number
  /** Circuits that this process keeps in view; the least recently used goes. Default 1,000. */
  maxCircuits?: number
  /**
   * How long the slot of a probe is kept for a process that died with it, in milliseconds, at least 1,000. Default
   * 10,000. A process that lives renews it, so it bounds no call.
   */
  leaseMs?: number
  /** Retention and timeout of dead letters. */
  deadLetters?: RedisDeadLettersOptions
}

export interface RedisStore {
  /** Circuits that all processes share. */
  readonly circuits: CircuitStore
  /** Dead letters that all processes share. */
  readonly deadLetters: DeadLetterStore
  /** Writes what is pending and ends the connections that the store opened, never the client that it was handed. */
  close(): Promise<void>
}

const optionNames: readonly (keyof RedisStoreOptions)[] = [
  'prefix',
  'flushIntervalMs',
  'pollIntervalMs',
  'commandTimeoutMs',
  'maxCircuits',
  'leaseMs',
  'deadLetters',
]

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
  if (typeof (redis as Partial<RedisClient> | null)?.duplicate !== 'function') {
    throw new TypeError(`\`redis\` must be an ioredis client (Redis or Cluster), got ${shown(redis)}`)
  }
  objectOption('redisStore', options, optionNames)
  const prefix = stringOption('prefix', options.prefix ?? 'undici-resilience')
  if (/[{}\s]/.test(prefix)) {
    throw new RangeError(
      `\`prefix\` must be a string without braces and spaces, got ${JSON.stringify(prefix)}`,
    )
  }
  const settings: RedisCircuitsSettings = {
    prefix,
    flushIntervalMs: integerOption('flushIntervalMs', options.flushIntervalMs ?? 100, {
      min: 20,
      max: 10_000,
    }),
    pollIntervalMs: durationOption('pollIntervalMs', options.pollIntervalMs ?? 1_000, 100),
    commandTimeoutMs: durationOption('commandTimeoutMs', options.commandTimeoutMs ?? 250, 10),
    maxCircuits: integerOption('maxCircuits', options.maxCircuits ?? DEFAULT_MAX_CIRCUITS, { min: 1 }),
    leaseMs: durationOption('leaseMs', options.leaseMs ?? 10_000, 1_000),
  }
  // connections are opened for what is used: a store that only keeps dead letters has none for circuits
  let circuits: CircuitStore | undefined
  let deadLetters: DeadLetterStore | undefined
  const letterOptions = resolveRedisDeadLetters(options.deadLetters)
  return {
    get circuits() {
      return (circuits ??= redisCircuits(redis, settings))
    },
    get deadLetters() {
      return (deadLetters ??= redisDeadLetters(redis, prefix, letterOptions))
    },
    async close() {
      await Promise.all([circuits?.close(), deadLetters?.close()])
    },
  }
}
