import type { PostgresDatabase } from '../database.ts'

/** The statements of the backend on the tables of one schema. */
export interface CircuitStatements {
  /** `$1`: circuits and counts, `$2`: the process. Counts, and reads states and sums. */
  readonly count: string
  /** `$1`: id. */
  readonly read: string
  /** `$1`: ids. */
  readonly epochs: string
  /** All circuits. */
  readonly list: string
  /** `$1`: states, `$2`: channel. */
  readonly write: string
  readonly sweep: string
}

/** A circuit that nobody has changed for so long, in milliseconds, is forgotten unless an operator overruled it. */
const FORGET_MS = 30 * 24 * 3_600_000

/** The sums of a ring `win` in the buckets that count when the current one is `cur`. */
function ringSums(win: string, cur: string): string {
  const sum = (at: number): string => `coalesce(sum(${win}[i + ${at}]), 0)`
  return `(SELECT ARRAY[${sum(1)}, ${sum(2)}, ${sum(3)}]::bigint[] FROM generate_series(1, 37, 4) i
    WHERE ${win}[i] > ${cur} - 10 AND ${win}[i] <= ${cur})`
}

/** What there is of a circuit, as a JSON text. */
const FOUND = "jsonb_build_object('version', c.version, 'epoch', c.epoch, 'machine', c.machine)"

/**
 * Everything is inserted and locked in the order of ids: two statements never wait for each other in a circle. Nothing
 * here waits for another process but a swap for a swap of the same circuit.
 */
export function circuitStatements({ schema, micros }: PostgresDatabase): CircuitStatements {
  const circuits = `${schema}.circuits`
  const counts = `${schema}.circuit_counts`
  return {
    count: `
WITH t AS MATERIALIZED (SELECT ${micros} AS us),
r AS MATERIALIZED (
  SELECT q.*, t.us, t.us / 1000 / q.bucket AS cur, ((t.us / 1000 / q.bucket) % 10)::int * 4 + 1 AS s
  FROM t, jsonb_to_recordset($1::text::jsonb)
    AS q(id text, ep float8, tot bigint, fl bigint, sl bigint, bucket bigint, win bigint, quorum bigint)),
mine AS (
  INSERT INTO ${counts} AS k (id, by, epoch, at, cur, sums, win, failed_at, touched, expires)
  SELECT r.id, $2::text, c.epoch, r.s, r.cur, ARRAY[r.tot, r.fl, r.sl],
    array_fill(0::bigint, ARRAY[r.s - 1]) || ARRAY[r.cur, r.tot, r.fl, r.sl] || array_fill(0::bigint, ARRAY[37 - r.s]),
    CASE WHEN r.quorum > 1 AND r.fl + r.sl > 0 THEN r.us / 1000 ELSE 0 END, r.us / 1000, r.us / 1000 + 2 * r.win
  FROM r JOIN ${circuits} c ON c.id = r.id
  WHERE c.epoch = r.ep AND c.counting AND r.tot + r.fl + r.sl > 0
  ORDER BY r.id
  ON CONFLICT (id, by) DO UPDATE SET epoch = excluded.epoch, at = excluded.at, cur = excluded.cur,
    touched = excluded.touched, expires = excluded.expires,
    sums = CASE WHEN k.epoch <> excluded.epoch THEN excluded.sums ELSE (
      SELECT ARRAY[b[1] + excluded.sums[1], b[2] + excluded.sums[2], b[3] + excluded.sums[3]]
      FROM (SELECT CASE WHEN k.cur = excluded.cur THEN k.sums ELSE ${ringSums('k.win', 'excluded.cur')} END AS b) s) END,
    failed_at = CASE WHEN k.epoch = excluded.epoch AND excluded.failed_at = 0 THEN k.failed_at ELSE excluded.failed_at END,
    win = CASE WHEN k.epoch <> excluded.epoch THEN excluded.win ELSE k.win[1:excluded.at - 1] ||
      CASE WHEN k.win[excluded.at] = excluded.win[excluded.at]
        THEN ARRAY[k.win[excluded.at], k.win[excluded.at + 1] + excluded.win[excluded.at + 1],
          k.win[excluded.at + 2] + excluded.win[excluded.at + 2], k.win[excluded.at + 3] + excluded.win[excluded.at + 3]]
        ELSE excluded.win[excluded.at:excluded.at + 3] END || k.win[excluded.at + 4:40] END
  RETURNING k.id, k.by, k.epoch, k.win, k.failed_at, k.cur, k.sums),
w AS (
  SELECT * FROM mine
  UNION ALL
  SELECT k.id, k.by, k.epoch, k.win, k.failed_at, k.cur, k.sums FROM ${counts} k JOIN r ON r.id = k.id
  WHERE k.touched >= r.us / 1000 - 10 * r.bucket AND (k.by <> $2::text OR k.id NOT IN (SELECT id FROM mine))),
x AS (
  SELECT w.*, r.us, r.win AS window_ms, CASE WHEN w.cur = r.cur THEN w.sums ELSE ${ringSums('w.win', 'r.cur')} END AS s
  FROM w JOIN r ON r.id = w.id),
sums AS (
  SELECT id, epoch, sum(s[1]) AS t, sum(s[2]) AS f, sum(s[3]) AS s,
    jsonb_agg(jsonb_build_object('by', by, 'at', failed_at)) FILTER (WHERE failed_at > us / 1000 - window_ms) AS reporters
  FROM x GROUP BY id, epoch)
SELECT r.id, r.us::text AS us, CASE WHEN c.id IS NULL THEN NULL ELSE ${FOUND} || jsonb_build_object(
    'sums', jsonb_build_array(coalesce(sums.t, 0), coalesce(sums.f, 0), coalesce(sums.s, 0)),
    'reporters', coalesce(sums.reporters, '[]')) END::text AS found
FROM r LEFT JOIN ${circuits} c ON c.id = r.id LEFT JOIN sums ON sums.id = c.id AND sums.epoch = c.epoch`,

    read: `SELECT $1::text AS id, ${micros}::text AS us,
  (SELECT ${FOUND} FROM ${circuits} c WHERE c.id = $1::text)::text AS found`,

    epochs: `SELECT c.id, c.epoch::text AS epoch FROM ${circuits} c
WHERE c.id IN (SELECT jsonb_array_elements_text($1::text::jsonb))`,

    list: `SELECT c.id, ${micros}::text AS us, ${FOUND}::text AS found FROM ${circuits} c`,

    write: `
WITH t AS MATERIALIZED (SELECT ${micros} / 1000 AS ms),
r AS (
  SELECT * FROM jsonb_to_recordset($1::text::jsonb)
    AS q(id text, old bigint, epoch bigint, counting boolean, overruled boolean, machine text, message text)),
locked AS (
  SELECT c.id FROM ${circuits} c JOIN r ON r.id = c.id AND r.old = c.version ORDER BY c.id FOR UPDATE OF c),
changed AS (
  UPDATE ${circuits} c SET version = c.version + 1, epoch = r.epoch, counting = r.counting, overruled = r.overruled,
    machine = r.machine, touched = t.ms
  FROM t, r JOIN locked ON locked.id = r.id WHERE c.id = r.id AND c.version = r.old RETURNING c.id),
made AS (
  INSERT INTO ${circuits} (id, version, epoch, counting, overruled, machine, touched)
  SELECT r.id, 1, r.epoch, r.counting, r.overruled, r.machine, t.ms FROM r, t WHERE r.old = 0 ORDER BY r.id
  ON CONFLICT (id) DO NOTHING RETURNING id),
done AS (SELECT id FROM changed UNION ALL SELECT id FROM made)
SELECT done.id, CASE WHEN r.message IS NOT NULL THEN pg_notify($2::text, r.message)::text END AS told
FROM done JOIN r ON r.id = done.id`,

    sweep: `
WITH t AS MATERIALIZED (SELECT ${micros} / 1000 AS ms),
old AS (
  DELETE FROM ${counts} WHERE (id, by) IN (
    SELECT k.id, k.by FROM ${counts} k, t WHERE k.expires < t.ms ORDER BY k.id, k.by LIMIT 1000 FOR UPDATE OF k SKIP LOCKED))
DELETE FROM ${circuits} WHERE id IN (
  SELECT c.id FROM ${circuits} c, t WHERE NOT c.overruled AND c.touched < t.ms - ${FORGET_MS}
    AND NOT EXISTS (SELECT FROM ${counts} k WHERE k.id = c.id AND k.expires >= t.ms)
  ORDER BY c.id LIMIT 1000 FOR UPDATE OF c SKIP LOCKED)`,
  }
}
