import { setTimeout as sleep } from 'node:timers/promises'
import { withTimeLimit } from '../../time/time-limit.ts'
import type { PostgresClient, Row } from './client.ts'
import { asPostgresError, PostgresError, sqlStateOf } from './error.ts'
import { migrationSql, quoted, SCHEMA_VERSION } from './schema.ts'

/** The longest that making the tables may take, the wait for other processes that make them included. */
const MIGRATION_MS = 30_000

interface PostgresDatabaseSettings {
  /** Checked: it is written into statements. */
  readonly schema: string
  /** Whether tables that are missing, or older, are made. */
  readonly migrate: boolean
  /** What the server's time is asked by: an expression of type `timestamptz`. */
  readonly clock?: string
}

/** Statements on the tables of one schema. */
export interface PostgresStatements {
  /** As it is written into statements. */
  readonly schema: string
  /** On which processes that share the tables tell each other. */
  readonly channel: string
  /** The server's time now in microseconds since 1970. Not that of the transaction, which may have waited for a lock. */
  readonly micros: string
  /** Runs one statement within the time limit. */
  query(text: string, values: unknown[], timeoutMs: number): Promise<Row[]>
}

/** Statements by the pool, each a transaction of its own, after the tables have been found or made. */
export class PostgresDatabase implements PostgresStatements {
  readonly #client: PostgresClient
  readonly #migrate: boolean
  /** The schema, as it is told to people and processes. */
  readonly name: string
  readonly schema: string
  readonly channel: string
  readonly micros: string
  #ready: Promise<void> | undefined
  #isReady = false

  constructor(client: PostgresClient, settings: PostgresDatabaseSettings) {
    const { schema, migrate, clock = 'clock_timestamp()' } = settings
    this.#client = client
    this.#migrate = migrate
    this.name = schema
    this.schema = quoted(schema)
    this.channel = `undici_resilience:${schema}`
    this.micros = `(extract(epoch FROM ${clock}) * 1000000)::bigint`
  }

  /**
   * Runs one statement; again, where the server took it back in favour of another one. At the first use the wait for
   * the tables is part of `timeoutMs`; where it is over they go on being made.
   * @throws {TimeLimitError} after `timeoutMs`; it may have been done
   * @throws {PostgresError} for what is no fault of the statement
   */
  async query(text: string, values: unknown[], timeoutMs: number): Promise<Row[]> {
    const until = performance.now() + timeoutMs
    await this.#readyWithin(timeoutMs)
    for (let round = 1; ; round++) {
      try {
        return await this.#run(text, values, Math.max(1, until - performance.now()))
      } catch (error) {
        if (!wasTakenBack(error)) throw error
        const pauseMs = Math.random() * 2 * Math.min(round, 25)
        if (performance.now() + pauseMs > until) throw error
        await sleep(pauseMs)
      }
    }
  }

  /**
   * Statements in a transaction that a client of the user's has begun. Its errors are thrown as they are, and its time
   * limits are the client's: it knows whether to begin anew. `timeoutMs` bounds the wait for tables that are missing.
   */
  within(client: PostgresClient): PostgresStatements {
    const { schema, channel, micros } = this
    return {
      schema,
      channel,
      micros,
      query: async (text, values, timeoutMs) => {
        await this.#readyFor(client, timeoutMs)
        return (await client.query(text, values)).rows as Row[]
      },
    }
  }

  /**
   * Resolves once the tables are there; tried anew after a failure.
   * @throws {PostgresError} saying what is missing
   */
  async ready(): Promise<void> {
    this.#ready ??= this.#prepare().then(
      () => {
        this.#isReady = true
      },
      (error: unknown) => {
        this.#ready = undefined
        throw error
      },
    )
    return this.#ready
  }

  async #readyWithin(ms: number): Promise<void> {
    if (this.#isReady) return
    await withTimeLimit(this.ready(), ms, 'finding or making the tables in PostgreSQL', { unref: true })
  }

  /** Where transactions hold all connections of the pool, nothing that they wait for may need one more. */
  async #readyFor(client: PostgresClient, ms: number): Promise<void> {
    if (this.#isReady) return
    // tables are made by the pool: a failure must not end the user's transaction, nor its rollback take them away
    if (!(await this.#isSeenBy(client))) return this.#readyWithin(ms)
    // for those who come later; who needs it and meets a failure tries again
    this.ready().catch(() => undefined)
  }

  /** Whether the tables are there, asked so that nothing fails in a transaction when they are not. */
  async #isSeenBy(client: PostgresClient): Promise<boolean> {
    const meta = await client.query(`SELECT to_regclass('${this.schema}.meta')::text AS name`)
    const [found] = meta.rows as Row[]
    if (typeof found?.['name'] !== 'string') return false
    const [row] = (await client.query(this.#versionSql())).rows as Row[]
    return Number(row?.['version']) === SCHEMA_VERSION
  }

  async #prepare(): Promise<void> {
    const found = await this.version()
    if (found === SCHEMA_VERSION) return
    if (found > SCHEMA_VERSION) {
      throw new PostgresError(
        `the tables in schema ${this.name} have version ${found}, this package knows ${SCHEMA_VERSION}: upgrade undici-resilience`,
      )
    }
    if (!this.#migrate) {
      const what = found === 0 ? 'there are no tables' : `the tables have version ${found}`
      throw new PostgresError(
        `${what} in schema ${this.name}, version ${SCHEMA_VERSION} is needed, and \`migrate\` is false: ` +
          `run the output of \`npx undici-resilience postgres sql --schema ${this.name}\``,
      )
    }
    await this.#run(migrationSql(this.name), [], MIGRATION_MS)
  }

  /** The version of the tables that are there; 0 when there are none. */
  async version(): Promise<number> {
    try {
      const [row] = await this.#run(this.#versionSql(), [], MIGRATION_MS)
      return Number(row?.['version'])
    } catch (error) {
      // no such table, no such schema
      const code = sqlStateOf((error as Error).cause)
      if (code === '42P01' || code === '3F000') return 0
      throw error
    }
  }

  #versionSql(): string {
    return `SELECT coalesce(max(version), 0)::text AS version FROM ${this.schema}.meta`
  }

  async #run(text: string, values: unknown[], timeoutMs: number): Promise<Row[]> {
    // pg waits for ever for a connection, and for a server that does not answer
    const reply = withTimeLimit(this.#send(text, values), timeoutMs, 'the answer of PostgreSQL', {
      unref: true,
    })
    return (await reply).rows as Row[]
  }

  async #send(text: string, values: unknown[]): Promise<{ rows: unknown[] }> {
    try {
      return await this.#client.query(text, values)
    } catch (error) {
      throw asPostgresError(error)
    }
  }
}

/** Serialization failure, and deadlock: nothing of it was done, and it may be done once more. */
function wasTakenBack(error: unknown): boolean {
  const code = sqlStateOf((error as Error).cause)
  return code === '40001' || code === '40P01'
}
