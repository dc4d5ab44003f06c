import { NEVER_EVICTED } from '../../dead-letter/store/retention.ts'
import { cooldownBound, limitTables } from './limits/tables.ts'

/**
 * `circuits` is what transitions change, by compare-and-swap on `version`; `machine` is what `machine-json.ts` writes.
 * `circuit_counts` has a row for each process that nobody else writes: the ring of `window.ts` (`win`: bucket, total,
 * failed, slow), and what it adds up to while `cur` is the current bucket. Unlogged: a server that lost them gets them
 * back from the views of the processes.
 */
const circuits = `
  CREATE UNLOGGED TABLE @.circuits (
    id text PRIMARY KEY,
    version bigint NOT NULL,
    epoch bigint NOT NULL,
    counting boolean NOT NULL,
    overruled boolean NOT NULL,
    machine text NOT NULL,
    touched bigint NOT NULL
  ) WITH (fillfactor = 70);
  CREATE UNLOGGED TABLE @.circuit_counts (
    id text NOT NULL,
    by text NOT NULL,
    epoch bigint NOT NULL,
    at int NOT NULL,
    cur bigint NOT NULL,
    sums bigint[] NOT NULL,
    win bigint[] NOT NULL,
    failed_at bigint NOT NULL,
    touched bigint NOT NULL,
    expires bigint NOT NULL,
    PRIMARY KEY (id, by)
  ) WITH (fillfactor = 50);`

/**
 * `record` is the JSON of what was captured, without its bodies. It, the replays and the note are `json`, which keeps them
 * as they are, where `jsonb` and `text` refuse half of a surrogate pair or NUL. What was settled or discarded stays as a row without content, with status `gone`: an
 * insert that meets it can never bring it back. Counts are deltas that are only ever inserted, beside one row that they
 * are added to (`base`).
 */
const deadLetters = `
  CREATE TABLE @.dead_letters (
    id text COLLATE "C" PRIMARY KEY,
    ts bigint NOT NULL,
    integration text NOT NULL,
    origin text NOT NULL,
    reason text NOT NULL,
    code text NOT NULL,
    labels jsonb,
    ordering_key text COLLATE "C",
    replayable boolean NOT NULL,
    repeatable boolean NOT NULL,
    corrupt boolean NOT NULL DEFAULT false,
    bytes bigint NOT NULL,
    status text NOT NULL,
    due_at bigint NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    lease_until bigint NOT NULL DEFAULT 0,
    replay_count bigint NOT NULL DEFAULT 0,
    replays json NOT NULL DEFAULT '[]',
    note json,
    leased_from text,
    record json,
    body bytea,
    sealed bytea
  ) WITH (fillfactor = 80);
  CREATE INDEX dead_letters_by_time ON @.dead_letters (ts, id) WHERE status <> 'gone';
  CREATE INDEX dead_letters_by_due ON @.dead_letters (due_at, id) WHERE status = 'pending';
  CREATE INDEX dead_letters_by_lease ON @.dead_letters (lease_until) WHERE status IN ('leased', 'sending');
  CREATE INDEX dead_letters_by_ordering_key ON @.dead_letters (ordering_key, id)
    WHERE ordering_key IS NOT NULL AND status <> 'gone';
  CREATE INDEX dead_letters_gone ON @.dead_letters (due_at) WHERE status = 'gone';
  CREATE SEQUENCE @.dead_letter_fence MAXVALUE ${Number.MAX_SAFE_INTEGER};
  CREATE TABLE @.dead_letter_counts (
    base boolean NOT NULL DEFAULT false,
    entries bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    captured bigint NOT NULL DEFAULT 0,
    replayed bigint NOT NULL DEFAULT 0,
    evicted bigint NOT NULL DEFAULT 0,
    discarded bigint NOT NULL DEFAULT 0
  );
  INSERT INTO @.dead_letter_counts (base) VALUES (true);`

/** Of what may be evicted: in a store that is full of what may not, the rest is to be found at once. */
const evictable = `
  CREATE INDEX dead_letters_evictable ON @.dead_letters (ts, id)
    WHERE status <> 'gone' AND reason <> '${NEVER_EVICTED}';`

/** What each version adds to the one before. */
const versions: readonly string[] = [`${circuits}${deadLetters}`, limitTables, cooldownBound, evictable]

/** Of the tables; each version is a row of `meta`. */
export const SCHEMA_VERSION = versions.length

/**
 * A schema as it is written into statements: without quotes a word that SQL has for itself is refused.
 * @param schema checked: there is no quote in it
 */
export function quoted(schema: string): string {
  return `"${schema}"`
}

/**
 * Makes the tables, or brings those of an earlier version up to date, whatever there is. One statement, and so one
 * transaction with any driver; processes that run it at once wait for each other.
 * @param schema checked: it is written into the text
 */
export function migrationSql(schema: string): string {
  const steps = versions.map((tables, at) => {
    const version = at + 1
    return `  IF NOT EXISTS (SELECT FROM @.meta WHERE version >= ${version}) THEN${tables.replaceAll('\n', '\n  ')}
    INSERT INTO @.meta VALUES (${version}, clock_timestamp());
  END IF;`
  })
  const text = `DO $undici_resilience$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('undici-resilience:@', 0));
  IF to_regnamespace('@') IS NULL THEN
    CREATE SCHEMA @;
  END IF;
  IF to_regclass('@.meta') IS NULL THEN
    CREATE TABLE @.meta (version int PRIMARY KEY, migrated_at timestamptz NOT NULL);
  END IF;
${steps.join('\n')}
END
$undici_resilience$`
  return text.replaceAll('@', quoted(schema))
}
