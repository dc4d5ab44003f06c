import { openStore, type OpenStoreOptions } from '../stores/open-store.ts'
import { checkSqliteFile } from '../stores/sqlite-file.ts'
import { parseStoreUrl, shownLocation } from '../stores/store-url.ts'
import type { Finding } from './finding.ts'

/**
 * Looks at a store, changing nothing.
 * @throws {OperationError} when it cannot be reached or opened
 */
export async function storeDoctor(
  options: OpenStoreOptions,
): Promise<{ readonly shown: string; readonly findings: Finding[] }> {
  const location = parseStoreUrl(options.store)
  const shown = shownLocation(location)
  if (location.kind === 'sqlite') {
    checkSqliteFile(location.path, false)
    const { sqliteDoctor } = await import('./sqlite-doctor.ts')
    return { shown, findings: sqliteDoctor(location.path) }
  }
  const { redisDoctor } = await import('./redis-doctor.ts')
  const store = await openStore(options)
  try {
    const { redis, postgres } = store
    if (postgres !== undefined) {
      const { postgresDoctor } = await import('./postgres-doctor.ts')
      return { shown, findings: await postgresDoctor(postgres, options.schema ?? 'undici_resilience', store) }
    }
    const findings = redis === undefined ? [] : await redisDoctor(redis, options.prefix, store)
    return { shown, findings }
  } finally {
    await store.close()
  }
}
