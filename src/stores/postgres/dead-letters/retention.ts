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

/** How long what an insert has found is believed, in milliseconds, and up to which share of a bound. */
const BELIEVED_MS = 1_000
const AMPLE = 0.9

/** Entries, and their bytes. */
interface Load {
  readonly count: number
  readonly bytes: number
}

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

/** Keeps the store within its bounds. */
export class PostgresRetention {
  readonly #table: DeadLetterTable
  readonly #bounds: Retention
  #known: (Load & { readonly at: number }) | undefined

  constructor(table: DeadLetterTable, bounds: Retention) {
    this.#table = table
    this.#bounds = bounds
  }

  /** Whether a record alone is larger than all may be. */
  isTooLarge(bytes: number): boolean {
    return bytes > this.#bounds.maxBytes
  }

  /** Whether something has to go, with what has just come in added to `totals`. */
  isDue({ entries, bytes, oldest, now }: Totals, added: Load & { readonly oldest: number }): boolean {
    const { maxRecords, maxBytes, maxAgeMs } = this.#bounds
    return (
      entries + added.count > maxRecords ||
      bytes + added.bytes > maxBytes ||
      Math.min(oldest ?? Infinity, added.oldest) < now - maxAgeMs
    )
  }

  /** Takes in what an insert has found, and what it has added to it. */
  learn({ entries, bytes }: Totals, added: Load): void {
    this.#known = { count: entries + added.count, bytes: bytes + added.bytes, at: performance.now() }
  }

  /** Whether there is room for more without looking: to plan the look takes as long as all the rest of an insert. */
  isAmpleFor({ count, bytes }: Load): boolean {
    const { maxRecords, maxBytes } = this.#bounds
    const known = this.#known
    if (known === undefined || performance.now() - known.at > BELIEVED_MS) return false
    return known.count + count <= maxRecords * AMPLE && known.bytes + bytes <= maxBytes * AMPLE
  }

  /**
   * Which rows of an insert find room, with what may be evicted for them: expressions beside `t` (now) and `v` (nth, meta).
   * Decided before they are there: what was added and taken out again would have been told to others as kept. Who adds at the same
   * time is not seen, so that together they may pass the bounds. Sums that cannot be true bind nobody.
   */
  roomSql(
    { entries, counts }: DeadLetterTable,
    { count, bytes }: Load,
    put: (value: string) => string,
  ): { ctes: string; condition: string; refused: string } {
    const [n, b] = [count, bytes].map((sum) => `${put(String(sum))}::text::bigint`)
    const { maxRecords, maxBytes } = this.#bounds
    const [mostRecords, mostBytes] = [maxRecords, maxBytes].map(
      (most) => `${put(String(most))}::text::bigint`,
    )
    const isTight = '(SELECT n > 0 OR b > 0 FROM need)'
    const ctes = `
       need AS MATERIALIZED (
         SELECT s.n + ${n} - ${mostRecords} AS n, s.b + ${b} - ${mostBytes} AS b FROM (
           SELECT sum(entries) AS n, sum(bytes) AS b, count(*) FILTER (WHERE base) AS bases FROM ${counts}) s
         WHERE s.bases = 1 AND s.n BETWEEN 0 AND ${MAX_NATURAL} AND s.b BETWEEN 0 AND ${MAX_NATURAL}),
       given AS (SELECT nth, meta::jsonb ->> 'id' AS id, (meta::jsonb ->> 'bytes')::bigint AS bytes FROM v),
       free AS MATERIALIZED (
         SELECT count(*) AS n, ${TOTAL_BYTES} AS b FROM (
           SELECT d.bytes FROM ${entries} d
           WHERE ${isTight} AND ${EVICTABLE} AND NOT ${held('(SELECT now FROM t)')}
             AND NOT EXISTS (SELECT FROM given WHERE given.id = d.id)
           ORDER BY d.ts, d.id LIMIT (SELECT CASE WHEN b > 0 THEN ${MAX_EVICTED} ELSE least(n, ${MAX_EVICTED}) END FROM need)) d),
       placed AS MATERIALIZED (
         SELECT c.id, free.n = ${MAX_EVICTED}
           OR (c.n <= ${n} - need.n + free.n AND c.b <= ${b} - need.b + free.b) AS fits FROM (
           SELECT c.id, row_number() OVER w AS n, sum(c.bytes) OVER w AS b FROM (
             SELECT DISTINCT ON (id) id, bytes, nth FROM given
             WHERE NOT EXISTS (SELECT FROM ${entries} e WHERE e.id = given.id) ORDER BY id, nth) c
           WINDOW w AS (ORDER BY c.nth)) c, need, free),`
    return {
      ctes,
      condition: `WHERE ${isTight} IS NOT TRUE OR m.id IN (SELECT id FROM placed WHERE fits)`,
      refused: `UNION ALL SELECT 'refused', id FROM placed WHERE ${isTight} AND NOT fits`,
    }
  }

  /** Whether something is too old to be there, at the time of the expression `now`: an expression. */
  isAnyAged(now: string): string {
    const { maxAgeMs } = this.#bounds
    if (maxAgeMs === Infinity) return 'false'
    return `EXISTS (SELECT FROM ${this.#table.entries} d
      WHERE ${EVICTABLE} AND d.ts < ${now} - ${ageText(maxAgeMs)} AND NOT ${held(now)})`
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
   * Evicts the oldest that may go, at most 1,000 of them: what is still too many goes with the next batches. Nothing of `batch`,
   * which was just added, or was there.
   * @returns their ids
   */
  async enforce(batch: readonly string[]): Promise<string[]> {
    const { maxRecords, maxBytes, maxAgeMs } = this.#bounds
    const { entries, counts, now } = this.#table
    const isHeld = held('t.now')
    const rows = await this.#table.query(
      `WITH t AS MATERIALIZED (SELECT ${now} AS now),
       batch AS MATERIALIZED (SELECT jsonb_array_elements_text($4::text::jsonb) AS id),
       total AS (SELECT sum(entries) AS n, sum(bytes) AS b FROM ${counts}),
       old AS MATERIALIZED (
         SELECT d.id, d.ts, d.bytes FROM ${entries} d, t
         WHERE ${EVICTABLE} AND NOT ${isHeld} AND NOT EXISTS (SELECT FROM batch WHERE batch.id = d.id)
         ORDER BY d.ts, d.id LIMIT ${MAX_EVICTED}),
       pick AS (
         SELECT d.id FROM (
           SELECT id, ts, row_number() OVER w AS n, sum(bytes) OVER w - bytes AS before
           FROM old WINDOW w AS (ORDER BY ts, id)) d, t, total
         WHERE d.n <= total.n - $1::text::bigint OR d.before < total.b - $2::text::bigint
           OR d.ts < t.now - $3::text::bigint),
       locked AS (
         SELECT d.id FROM ${entries} d JOIN pick ON pick.id = d.id, t WHERE NOT ${isHeld}
         ORDER BY d.ts, d.id FOR UPDATE OF d),
       out AS (
         DELETE FROM ${entries} d USING locked, t
         WHERE d.id = locked.id AND d.status <> 'gone' AND NOT ${isHeld}
         RETURNING d.id, d.integration, d.bytes, d.ts),
       counted AS (
         INSERT INTO ${counts} (entries, bytes, evicted)
         SELECT -count(*), -sum(bytes), count(*) FROM out HAVING count(*) > 0),
       swept AS (${this.#table.sweep(10)})
       SELECT id, integration FROM out ORDER BY ts, id`,
      [String(maxRecords), String(maxBytes), ageText(maxAgeMs), idsJson(batch)],
    )
    return rows.map(({ id, integration }) => {
      reportEvicted(String(id), String(integration))
      return String(id)
    })
  }
}

function ageText(maxAgeMs: number): string {
  return String(maxAgeMs === Infinity ? MAX_NATURAL : Math.ceil(maxAgeMs))
}
