import { checkRetention } from '../../dead-letter/retention.ts'
import type { RetentionOptions } from '../../dead-letter/store.ts'
import { durationOption, objectOption, stringOption } from '../../options.ts'
import type { ResilienceStore } from '../../store.ts'
import { memoryCircuits } from '../memory/circuits.ts'
import { SqliteDatabase } from './database.ts'
import { SqliteDeadLetters } from './dead-letters.ts'

/** Options of `sqliteStore`. Defaults: 100,000 records, 1 GiB, 30 days. */
export interface SqliteStoreOptions extends RetentionOptions {
  /** How long a write waits for another process's write, in milliseconds. Default 5,000. The event loop stays free. */
  busyTimeoutMs?: number
}

const defaults = { maxRecords: 100_000, maxBytes: 1024 * 1024 * 1024, maxAgeMs: 30 * 24 * 3_600_000 }

/**
 * Dead letters in a file, on Node's own SQLite: on disk when `add` resolves (WAL, synchronous = FULL), shared by all
 * processes of one machine. Not for network file systems. A new file is made for its owner alone (mode 0600). Circuits
 * are those of this process.
 *
 * @throws TypeError, RangeError naming option, bound and value; Error when the file cannot be opened or was made by a
 *   newer version
 * @example
 * const store = sqliteStore('/var/lib/app/dead-letters.db')
 * setGlobalDispatcher(new Agent().compose(resilience({ store })))
 */
export function sqliteStore(path: string, options: SqliteStoreOptions = {}): ResilienceStore {
  stringOption('path', path)
  objectOption('sqliteStore', options, ['maxRecords', 'maxBytes', 'maxAgeMs', 'busyTimeoutMs'])
  const retention = checkRetention(options, defaults)
  const file = new SqliteDatabase(path, durationOption('busyTimeoutMs', options.busyTimeoutMs ?? 5000))
  const deadLetters = new SqliteDeadLetters(file, retention)
  const circuits = memoryCircuits()
  return {
    circuits,
    deadLetters,
    async close(): Promise<void> {
      await Promise.all([circuits.close(), deadLetters.close()])
      file.close()
    },
  }
}
