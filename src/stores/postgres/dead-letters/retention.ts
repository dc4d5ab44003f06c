import { reportEvicted } from '../../../dead-letter/store/evicted.ts'
import type { Retention } from '../../../dead-letter/store/retention.ts'
import { held, idsJson, MAX_NATURAL } from './rows.ts'
import type { DeadLetterTable } from './table.ts'

/** More than any row has: PostgreSQL itself takes no more than 1 GB for a value. */
const MAX_ROW_BYTES = 2 ** 32

/** Rows of counts that are left before they are added up. */
const MAX_DELTAS = 100

/** Entries that one statement evicts at most. */
const MAX_EVICTED = 1_000

/** What is added up of the rows of counts. */
const COUNTERS = ['captured', 'replayed', 'evicted', 'discarded'] as const

/** The bytes of all entries, as far as they can be true. */
export const TOTAL_BYTES = `coalesce(sum(d.bytes) FILTER (WHERE d.bytes BETWEEN 0 AND ${MAX_ROW_BYTES}), 0)`

/** What is known after an insert. */
export interface Totals {
  readonly entries: number
  readonly bytes: number
  /** Rows of counts. */
  readonly deltas: number
  /** Rows that others are added to: one, unless somebody else has written there. */
  readonly bases: number
  readonly oldest: number | null
  readonly now: number
}

/** The totals as a JSON text: an expression. Its statement's own inserts are not in it. */
export function totalsSql({ entries, counts, now }: DeadLetterTable): string {
  return `(SELECT jsonb_build_object('entries', coalesce(sum(entries), 0), 'bytes', coalesce(sum(bytes), 0),
    'deltas', count(*), 'bases', count(*) FILTER (WHERE base), 'now', ${now},
    'oldest', (SELECT ts FROM ${entries} WHERE status <> 'gone' ORDER BY ts, id LIMIT 1)) FROM ${counts})::text`
}

/** Keeps the store within its bounds. */
export class PostgresRetention {
  readonly #table: DeadLetterTable
  readonly #bounds: Retention

  constructor(table: DeadLetterTable, bounds: Retention) {
    this.#table = table
    this.#bounds = bounds
  }

  /** Whether a record alone is larger than all may be. */
  isTooLarge(bytes: number): boolean {
    return bytes > this.#bounds.maxBytes
  }

  /** Whether something has to go, with what has just come in added to `totals`. */
  isDue(
    { entries, bytes, oldest, now }: Totals,
    added: { count: number; bytes: number; oldest: number },
  ): boolean {
    const { maxRecords, maxBytes, maxAgeMs } = this.#bounds
    return (
      entries + added.count > maxRecords ||
      bytes + added.bytes > maxBytes ||
      Math.min(oldest ?? Infinity, added.oldest) < now - maxAgeMs
    )
  }

  /** Makes the counts right again where they cannot be, and few again where they are many. */
  async tidy({ entries, bytes, deltas, bases }: Totals): Promise<void> {
    const areSane = bases === 1 && [entries, bytes].every((sum) => sum >= 0 && Number.isSafeInteger(sum))
    if (!areSane) await this.#recount()
    // of many processes some do it, not all at once
    else if (deltas > MAX_DELTAS && Math.random() < 0.2) await this.#compact()
  }

  /** Who makes the sums right or few has this lock: what one takes away must not be in what another one puts there. */
  get #lockKey(): string {
    return `hashtextextended('undici-resilience:${this.#table.counts}', 0)`
  }

  async #compact(): Promise<void> {
    const sums = ['entries', 'bytes', ...COUNTERS]
    await this.#table.query(
      `WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(${this.#lockKey}) AS free),
       old AS (
         DELETE FROM ${this.#table.counts} WHERE ctid IN (
           SELECT ctid FROM ${this.#table.counts} WHERE (SELECT free FROM mine)
           LIMIT 10000 FOR UPDATE SKIP LOCKED) RETURNING *)
       INSERT INTO ${this.#table.counts} (base, ${sums.join(', ')})
       SELECT bool_or(base), ${sums.map((column) => `sum(${column})`).join(', ')} FROM old HAVING count(*) > 0`,
    )
  }

  async #recount(): Promise<void> {
    const { entries, counts } = this.#table
    const possible = (column: string): string =>
      `CASE WHEN sum(${column}) BETWEEN 0 AND ${MAX_NATURAL} THEN sum(${column}) ELSE 0 END`
    // a block, whose statements see what was committed while it waited for the lock: one statement would not
    await this.#table.query(
      `DO $recount$
       BEGIN
         PERFORM pg_advisory_xact_lock(${this.#lockKey});
         IF (SELECT count(*) FILTER (WHERE base) = 1 AND sum(entries) BETWEEN 0 AND ${MAX_NATURAL}
               AND sum(bytes) BETWEEN 0 AND ${MAX_NATURAL} FROM ${counts}) THEN
           RETURN;
         END IF;
         WITH old AS (DELETE FROM ${counts} RETURNING *),
         real AS (SELECT count(*) AS entries, ${TOTAL_BYTES} AS bytes FROM ${entries} d WHERE d.status <> 'gone')
         INSERT INTO ${counts} (base, entries, bytes, ${COUNTERS.join(', ')})
         SELECT true, (SELECT entries FROM real), (SELECT bytes FROM real), ${COUNTERS.map(possible).join(', ')} FROM old;
       END
       $recount$`,
    )
  }

  /**
   * Evicts the oldest that nobody holds, at most 1,000 of them: what is still too many goes with the next batches. Of
   * `batch`, which has just been added, goes only what finds no room when no older ones are left.
   * @returns ids of the batch that are gone again, and of others
   */
  async enforce(batch: readonly string[]): Promise<{ refused: Set<string>; evicted: string[] }> {
    const { maxRecords, maxBytes, maxAgeMs } = this.#bounds
    const { entries, counts, now } = this.#table
    const isHeld = held('t.now')
    const rows = await this.#table.query(
      `WITH t AS MATERIALIZED (SELECT ${now} AS now),
       mine AS MATERIALIZED (SELECT jsonb_array_elements_text($4::text::jsonb) AS id),
       total AS (SELECT sum(entries) AS n, sum(bytes) AS b FROM ${counts}),
       old AS MATERIALIZED (
         (SELECT d.id, d.ts, d.bytes, false AS mine FROM ${entries} d, t
          WHERE d.status <> 'gone' AND NOT ${isHeld} AND NOT EXISTS (SELECT FROM mine WHERE mine.id = d.id)
          ORDER BY d.ts, d.id LIMIT ${MAX_EVICTED})
         UNION ALL
         SELECT d.id, d.ts, d.bytes, true FROM ${entries} d, t, mine
         WHERE d.id = mine.id AND d.status <> 'gone' AND NOT ${isHeld}),
       pick AS (
         SELECT d.id FROM (
           SELECT id, ts, mine, row_number() OVER w AS n, sum(bytes) OVER w - bytes AS before
           FROM old WINDOW w AS (ORDER BY mine, ts, id)) d, t, total
         WHERE (NOT d.mine OR (SELECT count(*) FROM old WHERE NOT mine) < ${MAX_EVICTED})
           AND (d.n <= total.n - $1::text::bigint OR d.before < total.b - $2::text::bigint
             OR (d.ts < t.now - $3::text::bigint AND NOT d.mine))),
       locked AS (
         SELECT d.id FROM ${entries} d JOIN pick ON pick.id = d.id, t WHERE NOT ${isHeld}
         ORDER BY d.ts, d.id FOR UPDATE OF d),
       out AS (
         DELETE FROM ${entries} d USING locked, t
         WHERE d.id = locked.id AND d.status <> 'gone' AND NOT ${isHeld}
         RETURNING d.id, d.integration, d.bytes, d.ts, EXISTS (SELECT FROM mine WHERE mine.id = d.id) AS mine),
       counted AS (
         INSERT INTO ${counts} (entries, bytes, captured, evicted)
         SELECT -count(*), -sum(bytes), -count(*) FILTER (WHERE mine), count(*) FILTER (WHERE NOT mine)
         FROM out HAVING count(*) > 0),
       swept AS (${this.#table.sweep(10)})
       SELECT id, integration, mine::text AS mine FROM out ORDER BY ts, id`,
      [String(maxRecords), String(maxBytes), ageText(maxAgeMs), idsJson(batch)],
    )
    const refused = new Set<string>()
    const evicted: string[] = []
    for (const { id, integration, mine } of rows) {
      if (mine === 'true') refused.add(String(id))
      else {
        evicted.push(String(id))
        reportEvicted(String(id), String(integration))
      }
    }
    return { refused, evicted }
  }
}

function ageText(maxAgeMs: number): string {
  return String(maxAgeMs === Infinity ? MAX_NATURAL : Math.ceil(maxAgeMs))
}
