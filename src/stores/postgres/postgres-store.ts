import { type Checks, duration, integer, object, resolveOptions, withDefault } from '../../checks.ts'
import { DEFAULT_MAX_CIRCUITS } from '../../circuit/registry.ts'
import type { SharedCircuitStore } from '../../circuit/store.ts'
import { booleanOption, shown, stringOption } from '../../options.ts'
import type { LimitStore } from '../../rate-limit/store.ts'
import { postgresCircuits, type PostgresCircuitsSettings } from './circuits/circuits.ts'
import { type ListenClient, listenClientOf, type PostgresClient, postgresClientOption } from './client.ts'
import { PostgresDatabase } from './database.ts'
import {
  PostgresDeadLetters,
  type PostgresDeadLetterStore,
  postgresDeadLettersChecks,
  type PostgresDeadLettersOptions,
  type PostgresDeadLettersPolicy,
} from './dead-letters/dead-letters.ts'
import { postgresLimits } from './limits/limits.ts'

/** Options of `postgresStore`. */
export interface PostgresStoreOptions {
  /**
   * The schema of the tables: lower-case letters, digits and `_`, no digit and no `pg_` first, at most 41 characters.
   * Default 'undici_resilience'.
   */
  schema?: string | undefined
  /**
   * Makes the tables, and brings older ones up to date, before the first use. Default true. With `false` they must be
   * there: `npx undici-resilience postgres sql` prints the statement that makes them.
   */
  migrate?: boolean | undefined
  /**
   * Makes the client that hears the transitions of other processes. Default: a client like those of the pool, where it
   * is a `pg.Pool`, else none. Beside a pooler in transaction mode give one of the server itself. `false`: they are
   * learnt by the poll alone.
   */
  listen?: false | (() => ListenClient) | undefined
  /** How often results are handed on to the other processes, in milliseconds, 20 to 10,000. Default 250. */
  flushIntervalMs?: number | undefined
  /** How often views that no reply has refreshed are compared, in milliseconds, at least 100. Default 1,000. */
  pollIntervalMs?: number | undefined
  /**
   * After this many milliseconds without an answer to a statement about circuits, the wait for a connection of the pool
   * included, the store counts as out of reach. At least 10. Default 1,000.
   */
  commandTimeoutMs?: number | undefined
  /** Circuits that this process keeps in view; the least recently used goes. Default 1,000. */
  maxCircuits?: number | undefined
  /**
   * How long the slot of a probe is kept for a process that died with it, in milliseconds, at least 1,000. Default
   * 10,000. A process that lives renews it, so it bounds no call.
   */
  leaseMs?: number | undefined
  /** Retention and timeout of dead letters. */
  deadLetters?: PostgresDeadLettersOptions | undefined
}

/** What processes share through PostgreSQL. */
export interface PostgresStore {
  /** Circuits that all processes share. */
  readonly circuits: SharedCircuitStore
  /** Limits and cool-downs that all processes share. */
  readonly limits: LimitStore
  /** Dead letters that all processes share. */
  readonly deadLetters: PostgresDeadLetterStore
  /** Writes what is pending and ends the connection that the store opened, never the pool that it was handed. */
  close(): Promise<void>
}

interface PostgresStorePolicy extends Omit<PostgresCircuitsSettings, 'by'> {
  readonly schema: string
  readonly migrate: boolean
  readonly listen: false | (() => ListenClient) | undefined
  readonly deadLetters: PostgresDeadLettersPolicy
}

const checks: Checks<PostgresStoreOptions, PostgresStorePolicy> = {
  schema: withDefault(schemaOption, 'undici_resilience'),
  migrate: withDefault(booleanOption, true),
  listen: listenOption,
  flushIntervalMs: withDefault(integer({ min: 20, max: 10_000 }), 250),
  pollIntervalMs: withDefault(duration({ min: 100 }), 1_000),
  commandTimeoutMs: withDefault(duration({ min: 10 }), 1_000),
  maxCircuits: withDefault(integer({ min: 1 }), DEFAULT_MAX_CIRCUITS),
  leaseMs: withDefault(duration({ min: 1_000 }), 10_000),
  deadLetters: object(postgresDeadLettersChecks),
}

/**
 * A name that is safe in the text of statements, and with which a channel's name ends before its 63rd byte.
 * @throws TypeError, RangeError
 */
export function schemaOption(name: string, value: unknown): string {
  const schema = stringOption(name, value)
  if (schema.startsWith('pg_')) {
    // https://www.postgresql.org/docs/current/ddl-schemas.html
    throw new RangeError(
      `\`${name}\` must not begin with \`pg_\`, which PostgreSQL keeps for itself, got ${JSON.stringify(schema)}`,
    )
  }
  if (/^[a-z_][a-z0-9_]{0,40}$/.test(schema)) return schema
  throw new RangeError(
    `\`${name}\` must be 1 to 41 lower-case letters, digits and underscores, no digit first, got ${JSON.stringify(schema)}`,
  )
}

function listenOption(name: string, value: unknown): false | (() => ListenClient) | undefined {
  if (value === undefined || value === false) return value
  if (typeof value === 'function') return value as () => ListenClient
  throw new TypeError(`\`${name}\` must be false or a function that makes a pg.Client, got ${shown(value)}`)
}

/**
 * A store that processes share through PostgreSQL >= 13. Takes a `pg.Pool`, a PGlite, or anything with
 * `query(text, values)`; each statement is a transaction of its own. No call waits for PostgreSQL while its circuit is
 * closed or open, and no error of PostgreSQL reaches a call.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const store = postgresStore(new pg.Pool({ connectionString: process.env.DATABASE_URL }))
 * setGlobalDispatcher(new Agent().compose(resilience({ store })))
 */
export function postgresStore(pool: PostgresClient, options: PostgresStoreOptions = {}): PostgresStore {
  const client = postgresClientOption('pool', pool)
  const policy = resolveOptions('postgresStore', checks, options)
  const { schema, migrate, listen, deadLetters: letterPolicy, ...settings } = policy
  const db = new PostgresDatabase(client, { schema, migrate })
  const connect = listen === undefined ? listenClientOf(client) : listen || undefined
  // a store that only keeps dead letters has no connection for circuits
  let circuits: ReturnType<typeof postgresCircuits> | undefined
  const hear =
    connect &&
    ((message: string, heard: () => void) =>
      (circuits ??= postgresCircuits(db, connect, settings)).link.hear(message, heard))
  let limits: LimitStore | undefined
  let deadLetters: PostgresDeadLetterStore | undefined
  return {
    get circuits() {
      return (circuits ??= postgresCircuits(db, connect, settings))
    },
    // heard on the connection of the circuits
    get limits() {
      return (limits ??= postgresLimits(
        db,
        (circuits ??= postgresCircuits(db, connect, settings)).link,
        settings,
      ))
    },
    get deadLetters() {
      return (deadLetters ??= new PostgresDeadLetters(db, letterPolicy, hear))
    },
    async close() {
      await Promise.all([
        limits?.close().then(() => circuits?.close()) ?? circuits?.close(),
        deadLetters?.close(),
      ])
    },
  }
}
