import type { CircuitStore } from './circuit/store.ts'
import type { DeadLetterSink } from './dead-letter/store/sink.ts'
import type { DeadLetterStore } from './dead-letter/store/store.ts'
import { shown } from './options.ts'
import type { LimitStore } from './rate-limit/store.ts'

/** Where a stack keeps what must outlive a call: `memoryStore()`, `sqliteStore(path)`, `redisStore(redis)`. */
export interface ResilienceStore {
  readonly circuits: CircuitStore
  /** Rate limits and cool-downs. */
  readonly limits: LimitStore
  readonly deadLetters: DeadLetterStore
  /** Writes what is pending and ends the connections that the store opened, never a client that it was handed. */
  close(): Promise<void>
}

type Parts = Omit<ResilienceStore, 'close'>

/**
 * A `store` option, with the parts that are used of it.
 * @throws TypeError saying what was meant
 */
export function storeOption<Part extends 'circuits' | 'deadLetters'>(
  name: string,
  value: unknown,
  ...parts: readonly Part[]
): Pick<ResilienceStore, Part> & Partial<Pick<ResilienceStore, 'limits'>> {
  for (const part of parts) {
    const given = (value as Partial<Parts> | null | undefined)?.[part]
    if (typeof given !== 'object') {
      const needed = parts.map((one) => `\`${one}\``).join(' and ')
      throw new TypeError(
        `\`${name}\` must have ${needed}, as sqliteStore() and redisStore() have; ${wrongStore(value)}`,
      )
    }
    if (part === 'deadLetters') deadLetterStoreOption(`${name}.deadLetters`, given)
    else if (!isCircuitStore(given)) {
      throw new TypeError(`\`${name}.circuits\` must be a CircuitStore, got a value without \`circuit\``)
    }
  }
  const { limits } = value as Partial<Parts>
  // a store of one's own from before there were limits keeps them in this process
  if (limits !== undefined) limitStoreOption(`${name}.limits`, limits)
  return value as ResilienceStore
}

function wrongStore(value: unknown): string {
  if (isDeadLetterStore(value)) return 'got its dead letters alone: hand in the store that has them'
  if (isCircuitStore(value)) return 'got its circuits alone: hand in the store that has them'
  const { sendCommand } = (value ?? {}) as { sendCommand?: unknown }
  if (typeof sendCommand === 'function') return 'got a Redis client: make a store of it, redisStore(redis)'
  const { query, connect } = (value ?? {}) as { query?: unknown; connect?: unknown }
  if (typeof query === 'function' && typeof connect === 'function') {
    return 'got a PostgreSQL client: make a store of its pool, postgresStore(pool)'
  }
  // a path or an address, which may hold a password
  if (typeof value === 'string') {
    const made = value.includes('://') ? 'redisStore(redis) or postgresStore(pool)' : 'sqliteStore(path)'
    return `got a string: make a store of it, ${made}`
  }
  return `got ${shown(value)}`
}

const deadLetterStoreMethods: readonly (keyof DeadLetterStore)[] = [
  'add',
  'get',
  'list',
  'stats',
  'claim',
  'renew',
  'settle',
  'requeue',
  'discard',
  'close',
]

function missingMethod(value: unknown): string | undefined {
  const store = value as Partial<DeadLetterStore> | null | undefined
  return deadLetterStoreMethods.find((method) => typeof store?.[method] !== 'function')
}

function isDeadLetterStore(value: unknown): value is DeadLetterStore {
  return missingMethod(value) === undefined
}

function isCircuitStore(value: unknown): value is CircuitStore {
  return typeof (value as Partial<CircuitStore> | null | undefined)?.circuit === 'function'
}

/**
 * An option that is a store of limits itself: the `limits` of a store.
 * @throws TypeError saying what was meant
 */
export function limitStoreOption(name: string, value: unknown): LimitStore {
  if (typeof (value as Partial<LimitStore> | null | undefined)?.limiter === 'function') {
    return value as LimitStore
  }
  throw new TypeError(`\`${name}\` must be a LimitStore, got a value without \`limiter\``)
}

/**
 * An option that is a store of dead letters itself: the `deadLetters` of a store.
 * @throws TypeError saying what was meant
 */
export function deadLetterStoreOption(name: string, value: unknown): DeadLetterStore {
  if (isDeadLetterStore(value)) return value
  const { deadLetters } = (value ?? {}) as { deadLetters?: unknown }
  const got =
    value === null || value === undefined ? String(value) : `a value without \`${missingMethod(value)}\``
  const meant = typeof deadLetters === 'object' ? '; did you mean its `deadLetters`?' : ''
  throw new TypeError(`\`${name}\` must be a DeadLetterStore, got ${got}${meant}`)
}

/** What tells apart what people may hand in for a sink. */
interface SinkFacts {
  readonly add?: unknown
  readonly close?: unknown
  readonly name?: unknown
  /** A store of ours. */
  readonly deadLetters?: unknown
  /** A Queue of BullMQ, which has `add` and `close` too. */
  readonly addBulk?: unknown
  /** A connection of amqplib, and a channel. */
  readonly createConfirmChannel?: unknown
  readonly sendToQueue?: unknown
}

/**
 * An option that is a sink of dead letters: a queue of `rabbitmqSink` or `bullmqSink`, a store's `deadLetters`, one's own.
 * @throws TypeError saying what was meant
 */
export function deadLetterSinkOption(name: string, value: unknown): DeadLetterSink {
  const facts = (value ?? {}) as SinkFacts
  const foreign = foreignSink(facts)
  const isSink = typeof facts.add === 'function' && typeof facts.close === 'function'
  if (!isSink || foreign !== undefined) {
    throw new TypeError(
      `\`${name}\` must be a DeadLetterSink, with \`add\` and \`close\`, got ${foreign ?? shown(value)}`,
    )
  }
  if (facts.name !== undefined && (typeof facts.name !== 'string' || facts.name === '')) {
    throw new TypeError(`\`${name}.name\` must be a non-empty string, got ${shown(facts.name)}`)
  }
  return value as DeadLetterSink
}

function foreignSink({ deadLetters, addBulk, createConfirmChannel, sendToQueue }: SinkFacts) {
  if (typeof addBulk === 'function') {
    return 'a Queue of BullMQ: make a sink of it, `bullmqSink(queue)`'
  }
  if (typeof createConfirmChannel === 'function' || typeof sendToQueue === 'function') {
    return 'a client of RabbitMQ: make a sink of it, `rabbitmqSink(() => amqp.connect(url), { queue })`'
  }
  if (typeof deadLetters === 'object') return 'a store; did you mean its `deadLetters`?'
  return undefined
}
