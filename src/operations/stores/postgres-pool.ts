import type { Pool } from 'pg'
import { withTimeLimit } from '../../time/time-limit.ts'
import { loadClient, unreachable } from './store-client.ts'

const CONNECT_MS = 5_000

/**
 * A pool for a store's url that has reached its server.
 * @throws {OperationError} that says what was tried, never the password
 */
export async function connectPostgres(url: string, shown: string): Promise<Pool> {
  const { Pool } = await loadClient('postgres://', 'pg', () => import('pg'))
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'undici-resilience-cli',
    max: 4,
  })
  // an idle connection that is lost is made again when it is needed
  pool.on('error', () => undefined)
  try {
    await withTimeLimit(pool.query('SELECT 1'), 2 * CONNECT_MS, 'connecting')
    return pool
  } catch (error) {
    await pool.end()
    throw unreachable(shown, error)
  }
}
