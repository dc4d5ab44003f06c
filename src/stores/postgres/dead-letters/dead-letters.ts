import { type Checks, duration, withDefault } from '../../../checks.ts'
import type { DeadLetter, DeadLetterRecord } from '../../../dead-letter/record/record.ts'
import type { AddResult } from '../../../dead-letter/store/add-result.ts'
import type { ClaimOptions } from '../../../dead-letter/store/claim-options.ts'
import type { DeadLetterQuery } from '../../../dead-letter/store/query/query.ts'
import {
  type Retention,
  retentionChecks,
  type RetentionOptions,
} from '../../../dead-letter/store/retention.ts'
import type { Settlement, SettleResult } from '../../../dead-letter/store/settlement.ts'
import type { AddOptions, DeadLetterSink } from '../../../dead-letter/store/sink.ts'
import type { DeadLetterStats } from '../../../dead-letter/store/stats.ts'
import type { ClaimResult, DeadLetterPage, DeadLetterStore } from '../../../dead-letter/store/store.ts'
import { booleanOption, idsOption } from '../../../options.ts'
import { OUTBOX_ADDED, OutboxNotice } from '../../outbox-notice.ts'
import { listenClientOf, type PostgresClient, postgresClientOption } from '../client.ts'
import type { PostgresDatabase } from '../database.ts'
import { PostgresCapture } from './capture.ts'
import { PostgresClaims } from './claims.ts'
import { PostgresDeadLetterReader } from './reader.ts'
import { PostgresRetention } from './retention.ts'
import { held } from './rows.ts'
import { DeadLetterTable } from './table.ts'

/** Dead letters in PostgreSQL. Defaults: 100,000 records, 1 GiB, 30 days. */
export interface PostgresDeadLettersOptions extends RetentionOptions {
  /**
   * How long one statement may take, the wait for a connection of the pool included, in milliseconds, at least 10.
   * Default 5,000.
   */
  timeoutMs?: number | undefined
  /**
   * Tells replayers in other processes by NOTIFY, at most ten times a second, of calls that are added to an outbox, so that they
   * leave at once. Default true. A transaction with a NOTIFY commits one after the other with all such on the server, and
   * cannot be prepared (PREPARE TRANSACTION): with `false` replayers look twice a second.
   */
  notify?: boolean | undefined
}

export interface PostgresDeadLettersPolicy extends Retention {
  readonly timeoutMs: number
  readonly notify: boolean
}

export const postgresDeadLettersChecks: Checks<PostgresDeadLettersOptions, PostgresDeadLettersPolicy> = {
  ...retentionChecks({
    maxRecords: 100_000,
    maxBytes: 1024 * 1024 * 1024,
    maxAgeMs: 30 * 24 * 3_600_000,
  }),
  timeoutMs: withDefault(duration({ min: 10 }), 5_000),
  notify: withDefault(booleanOption, true),
}

/** The dead letters of `postgresStore`, which can be written in a transaction of yours. */
export interface PostgresDeadLetterStore extends DeadLetterStore {
  /**
   * Adds in a transaction that `client` has begun: what is added is committed and rolled back with it, and no other
   * process sees it before. What has to go for it goes apart, by the pool. An error of the client is thrown as it
   * is, and the transaction is then to be rolled back, as after every failed statement. Tables that are missing are
   * made by the pool, for which it needs a connection beside the client's within `timeoutMs`.
   *
   * @param client what `BEGIN` was sent on: a `pg.Client` or `pg.PoolClient`, the `tx` of a PGlite, or
   * `{ query: async (text, values) => ({ rows: await sql.unsafe(text, values) }) }` with the `sql` of a `sql.begin`
   * @throws TypeError for a pool, each of whose statements is a transaction of its own
   * @example
   * const client = await pool.connect()
   * await client.query('BEGIN')
   * await client.query('UPDATE orders SET state = $1 WHERE id = $2', ['paid', order.id])
   * await store.deadLetters.within(client).add([record])
   * await client.query('COMMIT')
   */
  within(client: PostgresClient): Pick<DeadLetterSink, 'add'>
}

/** Calls `heard` when another process says `message`; returns what ends it. */
type HearMessage = (message: string, heard: () => void) => () => void

/** Dead letters in PostgreSQL: committed when `add` resolves, shared by all processes. Every statement is a transaction of its own. */
export class PostgresDeadLetters implements PostgresDeadLetterStore {
  readonly remote = true
  readonly #db: PostgresDatabase
  readonly #timeoutMs: number
  readonly #table: DeadLetterTable
  readonly #retention: PostgresRetention
  readonly #capture: PostgresCapture
  readonly #claims: PostgresClaims
  readonly #reader: PostgresDeadLetterReader
  readonly #notice: OutboxNotice | undefined
  readonly #hear: HearMessage | undefined

  /** @param hear where other processes are heard, if they are */
  constructor(db: PostgresDatabase, policy: PostgresDeadLettersPolicy, hear?: HearMessage) {
    this.#db = db
    this.#hear = hear
    this.#timeoutMs = policy.timeoutMs
    this.#table = new DeadLetterTable(db, policy.timeoutMs)
    this.#retention = new PostgresRetention(this.#table, policy)
    const tell = (): Promise<unknown> =>
      this.#table.query('SELECT pg_notify($1::text, $2::text)::text', [db.channel, OUTBOX_ADDED])
    this.#notice = policy.notify ? new OutboxNotice(tell) : undefined
    this.#capture = new PostgresCapture(this.#table, {
      retention: this.#retention,
      isOthers: false,
      notice: this.#notice,
    })
    this.#claims = new PostgresClaims(this.#table, this.#retention)
    this.#reader = new PostgresDeadLetterReader(this.#table)
  }

  async add(records: readonly DeadLetterRecord[], options: AddOptions = {}): Promise<AddResult> {
    this.#table.checkOpen()
    return this.#capture.add(records, options)
  }

  within(client: PostgresClient): Pick<DeadLetterSink, 'add'> {
    const checked = postgresClientOption('client', client)
    if (listenClientOf(checked) !== undefined) {
      throw new TypeError(
        '`client` must be the client that BEGIN was sent on, got a pg.Pool: use `await pool.connect()`',
      )
    }
    const table = new DeadLetterTable(this.#db.within(checked), this.#timeoutMs)
    const capture = new PostgresCapture(table, {
      retention: this.#retention,
      isOthers: true,
      notice: this.#notice,
    })
    return {
      add: async (records, options = {}) => {
        this.#table.checkOpen()
        return capture.add(records, options)
      },
    }
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    return this.#reader.get(id)
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    this.#table.checkOpen()
    return this.#reader.list(query)
  }

  async stats(): Promise<DeadLetterStats> {
    return this.#reader.stats()
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    this.#table.checkOpen()
    return this.#claims.claim(options)
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    this.#table.checkOpen()
    return this.#claims.renew(id, fence, leaseMs)
  }

  async settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    return this.#claims.settle(id, fence, settlement)
  }

  async requeue(ids: readonly string[], options?: { delayMs?: number }): Promise<number> {
    return this.#claims.requeue(idsOption(ids), options)
  }

  async discard(ids: readonly string[]): Promise<number> {
    return this.#table.bury(
      idsOption(ids),
      'discarded',
      `NOT (d.status = 'sending' AND ${held(this.#table.now)})`,
    )
  }

  onOutboxAdd(heard: () => void): () => void {
    return this.#hear?.(OUTBOX_ADDED, heard) ?? (() => undefined)
  }

  /** The pool belongs to whoever handed it in. */
  async close(): Promise<void> {
    this.#notice?.close()
    this.#table.close()
  }
}
