import { reportEvicted } from '../../../dead-letter/store/evicted.ts'
import { NEVER_EVICTED, type Retention } from '../../../dead-letter/store/retention.ts'
import { held, idsJson, MAX_NATURAL } from './rows.ts'
import type { DeadLetterTable } from './table.ts'

/** More than any row has: PostgreSQL itself takes no more than 1 GB for a value. */
const MAX_ROW_BYTES = 2 ** 32

/** Rows of counts that are left before they are added up. */
const MAX_DELTAS = 100

/** Entries that one statement evicts at most. */
const MAX_EVICTED = 1_000

/** What retention may remove, if nobody holds it. As the index says it, or it is not used. */
const EVICTABLE = `d.status <> 'gone' AND d.reason <> '${NEVER_EVICTED}'`

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
  /** Time of capture of the oldest that may be evicted. */
  readonly oldest: number | null
  readonly now: number
}

/** The totals as a JSON text: an expression. Its statement's own inserts are not in it. */
export function totalsSql({ entries, counts, now }: DeadLetterTable): string {
  return `(SELECT jsonb_build_object('entries', coalesce(sum(entries), 0), 'bytes', coalesce(sum(bytes), 0),
    'deltas', count(*), 'bases', count(*) FILTER (WHERE base), 'now', ${now},
    'oldest', (SELECT d.ts FROM ${entries} d WHERE ${EVICTABLE} ORDER BY d.ts, d.id LIMIT 1)) FROM ${counts})::text`
}

/** Whether the sums can be true: what somebody else has written there is made right by the next who adds. */
export function areSane({ entries, bytes, bases }: Totals): boolean {
  return bases === 1 && [entries, bytes].every((sum) => sum >= 0 && Number.isSafeInteger(sum))
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

  /** Whether something is too old to be there, at the time of the expression `now`: an expression. */
  isAnyAged(now: string): string {
    const { maxAgeMs } = this.#bounds
    if (maxAgeMs === Infinity) return 'false'
    return `EXISTS (SELECT FROM ${this.#table.entries} d
      WHERE ${EVICTABLE} AND d.ts < ${now} - ${ageText(maxAgeMs)} AND NOT ${held(now)})`
  }

  /** Makes the counts right again where they cannot be, and few again where they are many. */
  async tidy(totals: Totals): Promise<void> {
    if (!areSane(totals)) await this.#recount()
    // of many processes some do it, not all at once
    else if (totals.deltas > MAX_DELTAS && Math.random() < 0.2) await this.#compact()
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
   * Makes room for what has just been added: evicts the oldest that may go, at most 1,000 of them, and what is still too many
   * goes with the next batches. Where all of them are not enough, what finds no room is taken out again first, the last first,
   * and nothing is evicted for it.
   * @param table where it can be seen that was added: in the transaction of somebody else nothing else goes, since others would
   * wait for its end
   * @returns ids that were added and are gone again, and ids of others
   */
  async enforce(
    { batch, fresh }: { batch: readonly string[]; fresh: readonly string[] },
    table = this.#table,
  ): Promise<{ refused: Set<string>; evicted: string[] }> {
    const { maxRecords, maxBytes, maxAgeMs } = this.#bounds
    const { entries, counts, now } = table
    const isHeld = held('t.now')
    const isOthers = table !== this.#table
    const rows = await table.query(
      `WITH t AS MATERIALIZED (SELECT ${now} AS now),
       batch AS MATERIALIZED (SELECT jsonb_array_elements_text($4::text::jsonb) AS id),
       mine AS MATERIALIZED (
         SELECT id, nth FROM jsonb_array_elements_text($5::text::jsonb) WITH ORDINALITY AS m(id, nth)),
       excess AS MATERIALIZED (
         SELECT sum(entries) - $1::text::bigint AS n, sum(bytes) - $2::text::bigint AS b FROM ${counts}),
       old AS MATERIALIZED (
         SELECT d.id, d.ts, d.bytes FROM ${entries} d, t
         WHERE ${EVICTABLE} AND NOT ${isHeld} AND NOT EXISTS (SELECT FROM batch WHERE batch.id = d.id)
         ORDER BY d.ts, d.id LIMIT ${MAX_EVICTED}),
       free AS MATERIALIZED (SELECT count(*) AS n, coalesce(sum(bytes), 0) AS b FROM old),
       surplus AS MATERIALIZED (
         SELECT m.id, m.bytes FROM (
           SELECT d.id, d.bytes, row_number() OVER w AS n, sum(d.bytes) OVER w - d.bytes AS before
           FROM ${entries} d JOIN mine ON mine.id = d.id, t WHERE d.status <> 'gone' AND NOT ${isHeld}
           WINDOW w AS (ORDER BY mine.nth DESC)) m, excess, free
         WHERE free.n < ${MAX_EVICTED} AND (m.n <= excess.n - free.n OR m.before < excess.b - free.b)),
       left_over AS (
         SELECT excess.n - (SELECT count(*) FROM surplus) AS n,
           excess.b - (SELECT coalesce(sum(bytes), 0) FROM surplus) AS b FROM excess),
       pick AS (
         SELECT id FROM surplus
         UNION ALL
         SELECT d.id FROM (
           SELECT id, ts, row_number() OVER w AS n, sum(bytes) OVER w - bytes AS before
           FROM old WINDOW w AS (ORDER BY ts, id)) d, t, left_over
         WHERE ${isOthers ? 'false' : 'true'}
           AND (d.n <= left_over.n OR d.before < left_over.b OR d.ts < t.now - $3::text::bigint)),
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
       swept AS (${table.sweep(isOthers ? 0 : 10)})
       SELECT id, integration, mine::text AS mine FROM out ORDER BY ts, id`,
      [String(maxRecords), String(maxBytes), ageText(maxAgeMs), idsJson(batch), idsJson(fresh)],
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
