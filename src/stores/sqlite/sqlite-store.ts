import { type Checks, duration, resolveOptions, withDefault } from '../../checks.ts'
import { type Retention, retentionChecks, type RetentionOptions } from '../../dead-letter/store/retention.ts'
import { stringOption } from '../../options.ts'
import type { ResilienceStore } from '../../store.ts'
import { memoryCircuits } from '../memory/circuits.ts'
import { memoryLimits } from '../memory/limits.ts'
import { SqliteDatabase } from './database.ts'
import { SqliteDeadLetters } from './dead-letters.ts'

/** Options of `sqliteStore`. Defaults: 100,000 records, 1 GiB, 30 days. */
export interface SqliteStoreOptions extends RetentionOptions {
  /** How long a write waits for another process's write, in milliseconds. Default 5,000. The event loop stays free. */
  busyTimeoutMs?: number | undefined
}

const checks: Checks<SqliteStoreOptions, Retention & { readonly busyTimeoutMs: number }> = {
  ...retentionChecks({
    maxRecords: 100_000,
    maxBytes: 1024 * 1024 * 1024,
    maxAgeMs: 30 * 24 * 3_600_000,
  }),
  busyTimeoutMs: withDefault(duration(), 5000),
}

/**
 * Dead letters in a file, on Node's own SQLite: on disk when `add` resolves (WAL, synchronous = FULL), shared by all
 * processes of one machine. Not for network file systems. A new file is made for its owner alone (mode 0600). Circuits
 * and limits are those of this process.
 *
 * @throws TypeError, RangeError naming option, bound and value; Error when the file cannot be opened or was made by a
 *   newer version
 * @example
 * const store = sqliteStore('/var/lib/app/dead-letters.db')
 * setGlobalDispatcher(new Agent().compose(resilience({ store })))
 */
export function sqliteStore(path: string, options: SqliteStoreOptions = {}): ResilienceStore {
  pathOption('path', path)
  const { busyTimeoutMs, ...retention } = resolveOptions('sqliteStore', checks, options)
  const file = new SqliteDatabase(path, busyTimeoutMs)
  const deadLetters = new SqliteDeadLetters(file, retention)
  const circuits = memoryCircuits()
  const limits = memoryLimits()
  return {
    circuits,
    limits,
    deadLetters,
    async close(): Promise<void> {
      await Promise.all([circuits.close(), limits.close(), deadLetters.close()])
      await file.close()
    },
  }
}

function pathOption(name: string, value: unknown): string {
  if (typeof (value as { prepare?: unknown } | null | undefined)?.prepare === 'function') {
    throw new TypeError(`\`${name}\` must be the path of a file, got a database: it opens one by itself`)
  }
  return stringOption(name, value)
}
