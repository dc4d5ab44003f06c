import { shown } from '../../options.ts'

/** A row of a result: every column that is asked for is text or bytes, so that all drivers give the same. */
export type Row = Readonly<Record<string, unknown>>

/**
 * Port: all that the store asks of a client of PostgreSQL. A `pg.Pool` and a PGlite have it as they are. Each call is one
 * statement in a transaction of its own; every parameter is text, bytes or null.
 *
 * @example
 * // postgres.js
 * postgresStore({ query: async (text, values) => ({ rows: await sql.unsafe(text, values) }) })
 */
export interface PostgresClient {
  query(text: string, values?: unknown[]): PromiseLike<{ rows: unknown[] }>
}

/** What tells clients apart that people may hand in. */
interface ClientFacts {
  readonly query?: unknown
  /** postgres.js */
  readonly unsafe?: unknown
  /** drizzle */
  readonly $client?: unknown
  /** Prisma */
  readonly $queryRawUnsafe?: unknown
  /** mysql2 */
  readonly execute?: unknown
  /** knex */
  readonly raw?: unknown
}

/**
 * A client with `query(text, values)`.
 * @throws TypeError saying what was meant; no password of an address is shown
 */
export function postgresClientOption(name: string, value: unknown): PostgresClient {
  const facts = (value ?? {}) as ClientFacts
  const foreign = foreignClient(facts, value)
  if (foreign === undefined && typeof facts.query === 'function') return value as PostgresClient
  throw new TypeError(
    `\`${name}\` must be a pg.Pool, or have \`query(text, values)\`, got ${foreign ?? shown(value)}`,
  )
}

function foreignClient(
  { unsafe, $client, $queryRawUnsafe, execute, raw, query }: ClientFacts,
  value: unknown,
) {
  if (typeof value === 'string' || value instanceof URL) {
    const kind = value instanceof URL ? 'URL' : 'string'
    return `a ${kind}: hand in \`new pg.Pool({ connectionString })\``
  }
  if (typeof unsafe === 'function') {
    return 'a client of postgres.js: hand in `{ query: async (text, values) => ({ rows: await sql.unsafe(text, values) }) }`'
  }
  if (typeof $queryRawUnsafe === 'function') {
    return 'a client of Prisma: hand in `{ query: async (text, values) => ({ rows: await prisma.$queryRawUnsafe(text, ...values) }) }`'
  }
  if ($client !== undefined) return 'a database of drizzle: hand in its pool, `db.$client`'
  if (typeof raw === 'function') return 'an instance of knex: hand in a pg.Pool of its own'
  if (typeof execute === 'function' && typeof query === 'function') return 'a client of MySQL'
  return undefined
}

/** A connection of its own that hears notifications: what is used of a `pg.Client`. */
export interface ListenClient {
  connect(): PromiseLike<unknown>
  query(text: string): PromiseLike<unknown>
  end(): Promise<unknown>
  on(event: 'notification', listener: (message: { payload?: string | undefined }) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
}

/** What makes a client like those of the pool; `undefined` where it is no pool of `pg`. */
export function listenClientOf(pool: PostgresClient): (() => ListenClient) | undefined {
  const { Client, options } = pool as { Client?: new (options: object) => ListenClient; options?: object }
  if (typeof Client !== 'function' || typeof options !== 'object') return undefined
  // the options themselves: of a copy the password is missing, which is not enumerable
  return () => new Client(options)
}
