import type { DeadLetterState } from '../../../dead-letter/record/record.ts'
import { StoreClosedError } from '../../../dead-letter/store/store-closed.ts'
import type { CorruptDeadLetter } from '../../../dead-letter/store/store.ts'
import type { Row } from '../client.ts'
import type { PostgresStatements } from '../database.ts'
import { idsJson, plainJson } from './rows.ts'

/** Tombstones outlast every spool: 30 days. */
const TOMBSTONE_MS = 30 * 24 * 3_600_000

/** A new state, and what the entry must still be for it to be written. */
export interface StateChange {
  readonly id: string
  readonly fence: number
  readonly leaseUntil: number
  readonly status: string
  readonly replayCount: number
  readonly state: DeadLetterState
}

/** The tables of dead letters, and the changes that several operations make. Each method is one statement. */
export class DeadLetterTable {
  readonly #db: PostgresStatements
  readonly #timeoutMs: number
  #closed = false
  /** The name of the table of entries. */
  readonly entries: string
  /** The name of the table of counts. */
  readonly counts: string
  /** The name of the sequence of fences. */
  readonly fences: string
  /** On which processes tell each other. */
  readonly channel: string
  /** The server's time, epoch milliseconds: an expression. */
  readonly now: string

  constructor(db: PostgresStatements, timeoutMs: number) {
    this.#db = db
    this.#timeoutMs = timeoutMs
    this.entries = `${db.schema}.dead_letters`
    this.counts = `${db.schema}.dead_letter_counts`
    this.fences = `${db.schema}.dead_letter_fence`
    this.channel = db.channel
    this.now = `(${db.micros} / 1000)`
  }

  /** @throws {StoreClosedError} */
  checkOpen(): void {
    if (this.#closed) throw new StoreClosedError()
  }

  async query(text: string, values: unknown[] = []): Promise<Row[]> {
    this.checkOpen()
    return this.#db.query(text, values, this.#timeoutMs)
  }

  close(): void {
    this.#closed = true
  }

  /** Writes states where the entry is still as it was read. Resolves to the ids that were changed. */
  async change(changes: readonly StateChange[]): Promise<Set<string>> {
    if (changes.length === 0) return new Set()
    const given = changes.map(({ id, fence, leaseUntil, status, replayCount, state }) => ({
      id,
      fence,
      old_lease: leaseUntil,
      old_status: status,
      old_count: replayCount,
      status: state.status,
      due_at: state.dueAt,
      replay_count: state.replayCount,
      // texts in a text: what `jsonb` refuses is escaped twice
      replays: JSON.stringify(state.replays),
      note: state.note === undefined ? null : JSON.stringify(state.note),
    }))
    const rows = await this.query(
      `WITH c AS (
         SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS c(id text, fence bigint, old_lease bigint,
           old_status text, old_count bigint, status text, due_at bigint, replay_count bigint, replays text, note text)),
       locked AS (SELECT d.id FROM ${this.entries} d JOIN c ON c.id = d.id ORDER BY d.id FOR UPDATE OF d)
       UPDATE ${this.entries} d SET status = c.status, due_at = c.due_at, replay_count = c.replay_count,
         replays = c.replays::json, note = c.note::json, leased_from = NULL
       FROM c, locked
       WHERE d.id = c.id AND locked.id = d.id AND d.fence = c.fence AND d.status = c.old_status
         AND d.lease_until = c.old_lease AND d.replay_count = c.old_count
       RETURNING d.id`,
      [plainJson(given)],
    )
    return new Set(rows.map(({ id }) => String(id)))
  }

  /** What cannot be read waits for a person; its other columns stay as they are. */
  async condemn(corrupt: readonly CorruptDeadLetter[]): Promise<void> {
    if (corrupt.length === 0) return
    await this.query(
      `UPDATE ${this.entries} d SET status = 'quarantined', corrupt = true, note = to_json(c.message), leased_from = NULL
       FROM jsonb_to_recordset($1::text::jsonb) AS c(id text, message text)
       WHERE d.id = c.id AND d.status <> 'gone'`,
      [plainJson(corrupt)],
    )
  }

  /**
   * Takes away the oldest tombstones that nobody can need any longer: a statement.
   * @param limit how many at most: more than come into being with it, or they become ever more
   */
  sweep(limit: number): string {
    return `DELETE FROM ${this.entries} WHERE status = 'gone' AND id IN (
      SELECT id FROM ${this.entries} WHERE status = 'gone' AND due_at < (SELECT ${this.now}) - ${TOMBSTONE_MS}
      ORDER BY due_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)`
  }

  /**
   * Leaves a row without content in the place of each entry, and takes old ones away. Resolves to how many there were.
   * @param where what must hold of the row `d`, with `values` from `$2` on
   */
  async bury(
    ids: readonly string[],
    counter: 'replayed' | 'discarded',
    where: string,
    values: unknown[] = [],
  ): Promise<number> {
    const rows = await this.query(
      `WITH locked AS (
         SELECT d.id, d.bytes FROM ${this.entries} d
         WHERE d.id IN (SELECT jsonb_array_elements_text($1::text::jsonb)) AND d.status <> 'gone' AND ${where}
         ORDER BY d.id FOR UPDATE OF d),
       buried AS (
         UPDATE ${this.entries} d SET status = 'gone', due_at = ${this.now}, record = NULL, body = NULL, sealed = NULL,
           labels = NULL, ordering_key = NULL, replays = '[]', note = NULL, leased_from = NULL, bytes = 0
         FROM locked WHERE d.id = locked.id AND d.status <> 'gone' AND ${where} RETURNING d.id, locked.bytes),
       counted AS (
         INSERT INTO ${this.counts} (entries, bytes, ${counter})
         SELECT -count(*), -sum(bytes), count(*) FROM buried HAVING count(*) > 0),
       swept AS (${this.sweep(10 + 2 * ids.length)})
       SELECT id FROM buried`,
      [idsJson(ids), ...values],
    )
    return rows.length
  }
}
