import { exchangeFunction } from './exchange-function.ts'

/**
 * `limits` has a row per limit, locked for each exchange: its `size` and window as they were last asked with, units used by
 * buckets (`units[1]` is of bucket `first`), and sums over `limit_leases`, which has a row for each process. Both unlogged: a server that lost them gets them back from the
 * histories of the processes. A cool-down is what a provider asked for, so it is kept as dead letters
 * are; one that was ended before its time (`ended`) stays for an hour, for those who hear no messages.
 */
export const limitTables = `
  CREATE UNLOGGED TABLE @.limits (
    id text NOT NULL,
    name text NOT NULL,
    generation text NOT NULL DEFAULT '',
    size bigint NOT NULL DEFAULT 0,
    win bigint NOT NULL DEFAULT 0,
    wait bigint NOT NULL DEFAULT 0,
    bucket_ms bigint NOT NULL DEFAULT 1,
    first bigint NOT NULL DEFAULT 0,
    units bigint[] NOT NULL DEFAULT '{}',
    scarce boolean NOT NULL DEFAULT false,
    held bigint NOT NULL DEFAULT 0,
    live bigint NOT NULL DEFAULT 0,
    back bigint NOT NULL DEFAULT 0,
    live_waiting bigint NOT NULL DEFAULT 0,
    back_waiting bigint NOT NULL DEFAULT 0,
    processes bigint NOT NULL DEFAULT 0,
    lapses bigint NOT NULL DEFAULT 0,
    expires bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id, name)
  ) WITH (fillfactor = 50);
  CREATE UNLOGGED TABLE @.limit_leases (
    id text NOT NULL,
    name text NOT NULL,
    process text NOT NULL,
    sequence bigint NOT NULL,
    held bigint NOT NULL,
    live bigint NOT NULL,
    back bigint NOT NULL,
    used bigint NOT NULL,
    returned bigint NOT NULL,
    lapses bigint NOT NULL,
    PRIMARY KEY (id, name, process)
  ) WITH (fillfactor = 50);
  CREATE TABLE @.limit_cooldowns (
    id text PRIMARY KEY,
    until bigint NOT NULL,
    ended bigint
  );${exchangeFunction}`

/** What was asked for with `until`, in milliseconds: the most that a cool-down has left, wherever the clock has stepped. */
export const cooldownBound = `
  ALTER TABLE @.limit_cooldowns ADD COLUMN asked bigint;`
