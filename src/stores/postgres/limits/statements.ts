import type { PostgresDatabase } from '../database.ts'

/** That a cool-down was ended before its time is kept for so long, in milliseconds. */
const ENDED_MS = 3_600_000

/** The statements of limits on the tables of one schema. */
export interface LimitStatements {
  /** `$1`: requests, in the order in which rows are locked, `$2`: channel, `$3`: what a message begins with. */
  readonly exchange: string
  /** `$1`: id, `$2`: milliseconds, `$3`: channel, `$4`: what a message begins with. */
  readonly cool: string
  /** `$1`: id, `$2`: channel, `$3`: what a message begins with. */
  readonly clear: string
  readonly cooling: string
  /** The limits that were used of late. */
  readonly look: string
  readonly sweep: string
}

export function limitStatements({ schema, micros }: PostgresDatabase): LimitStatements {
  const cooldowns = `${schema}.limit_cooldowns`
  const clock = `t AS MATERIALIZED (SELECT ${micros} / 1000 AS ms)`
  return {
    exchange: `
SELECT x.at::text, ${schema}.limit_exchange(x.asked, $2::text, $3::text, ${micros})::text AS reply
FROM jsonb_array_elements($1::text::jsonb) WITH ORDINALITY AS x(asked, at)`,

    // The longest wins, and each that is longer is told. None has more left than was asked for: after a step of the clock
    // back `until` is that much later.
    cool: `
WITH ${clock},
kept AS (
  INSERT INTO ${cooldowns} AS c (id, until, asked) SELECT $1::text, t.ms + $2::text::bigint, $2::text::bigint FROM t
  ON CONFLICT (id) DO UPDATE SET ended = NULL,
    until = greatest(excluded.until, least(c.until, excluded.until - excluded.asked + c.asked)),
    asked = greatest(excluded.asked, least(c.asked, c.until - (excluded.until - excluded.asked))) RETURNING until)
SELECT (kept.until - t.ms)::text AS left,
  CASE WHEN kept.until = t.ms + $2::text::bigint
    THEN pg_notify($3::text, $4::text || ' cool ' || $1::text || ' ' || (kept.until - t.ms))::text END AS told
FROM kept, t`,

    clear: `
WITH ${clock},
over AS (
  INSERT INTO ${cooldowns} (id, until, asked, ended) SELECT $1::text, t.ms, 0, t.ms FROM t
  ON CONFLICT (id) DO UPDATE SET until = excluded.until, asked = excluded.asked, ended = excluded.ended)
SELECT pg_notify($2::text, $3::text || ' clear ' || $1::text)::text AS told`,

    cooling: `
WITH ${clock}
SELECT c.id, greatest(0, least(c.until - t.ms, c.asked))::text AS left, greatest(t.ms - c.ended, CASE WHEN c.ended > t.ms THEN 0 END)::text AS ended FROM ${cooldowns} c, t
WHERE c.until > t.ms OR c.ended > t.ms - ${ENDED_MS}`,

    look: `
WITH ${clock}
SELECT l.id, l.name, l.size::text AS size, l.win::text AS win, l.held::text AS held, (l.live + l.back)::text AS waiting,
  greatest(0, l.wait - t.ms)::text AS hold,
  (SELECT coalesce(sum(b.u), 0) FROM unnest(l.units) WITH ORDINALITY AS b(u, i)
    WHERE l.first + b.i - 1 >= t.ms / l.bucket_ms - ceil(l.win::numeric / l.bucket_ms))::text AS used,
  (SELECT count(*) FROM ${schema}.limit_leases x
    WHERE x.id = l.id AND x.name = l.name AND x.lapses > t.ms)::text AS processes
FROM ${schema}.limits l, t WHERE l.generation <> '' AND l.expires > t.ms`,

    sweep: `
WITH ${clock},
cold AS (
  DELETE FROM ${cooldowns} WHERE id IN (
    SELECT c.id FROM ${cooldowns} c, t WHERE c.until <= t.ms AND coalesce(c.ended, 0) <= t.ms - ${ENDED_MS}
    LIMIT 1000 FOR UPDATE OF c SKIP LOCKED)),
old AS (
  DELETE FROM ${schema}.limits WHERE (id, name) IN (
    SELECT l.id, l.name FROM ${schema}.limits l, t WHERE l.expires <= t.ms
    ORDER BY l.id, l.name LIMIT 1000 FOR UPDATE OF l SKIP LOCKED) RETURNING id, name)
DELETE FROM ${schema}.limit_leases x USING old WHERE x.id = old.id AND x.name = old.name`,
  }
}
