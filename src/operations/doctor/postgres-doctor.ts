import type { Pool } from 'pg'
import { SCHEMA_VERSION } from '../../stores/postgres/schema.ts'
import { bytesText } from '../bytes-text.ts'
import { circuitDirectory } from '../circuits/directory.ts'
import type { OpenedStore } from '../stores/open-store.ts'
import { fail, type Finding, ok, warn } from './finding.ts'

const OLDEST = 13
const PINGS = 20
const SLOW_MS = 50

const tables = [
  'circuits',
  'circuit_counts',
  'dead_letters',
  'dead_letter_counts',
  'limits',
  'limit_leases',
  'limit_cooldowns',
]
const exchange = 'limit_exchange(jsonb, text, text, bigint)'

/** Looks at the server and the tables, changing nothing. The tables are there, and of the version that is known. */
export async function postgresDoctor(pool: Pool, schema: string, store: OpenedStore): Promise<Finding[]> {
  const setting = async (name: string): Promise<string> => {
    const { rows } = await pool.query<{ value: string }>('SELECT current_setting($1) AS value', [name])
    return rows[0]?.value ?? ''
  }
  const { total, bytes, due } = await store.deadLetters.stats()
  return [
    versionFinding(await setting('server_version'), Number(await setting('server_version_num'))),
    ok('schema', `${schema}, version ${SCHEMA_VERSION}`),
    (await setting('transaction_read_only')) === 'off'
      ? ok('writes', 'allowed')
      : fail(
          'writes',
          'read only',
          'this is a standby, or the role is read only: give the url of the primary',
        ),
    await rightsFinding(pool, schema),
    (await setting('synchronous_commit')) === 'off'
      ? warn('synchronous_commit', 'off', 'a crash loses the dead letters of the last moments')
      : ok('synchronous_commit', await setting('synchronous_commit')),
    await latencyFinding(pool),
    ok('dead letters', `${total}, ${bytesText(bytes)}, ${due} due`),
    ok('circuits', String((await circuitDirectory(store).list()).length)),
  ]
}

function versionFinding(version: string, number: number): Finding {
  const major = Math.floor(number / 10_000)
  return major >= OLDEST
    ? ok('PostgreSQL', version)
    : fail('PostgreSQL', version, `version ${OLDEST} or later is needed`)
}

async function rightsFinding(pool: Pool, schema: string): Promise<Finding> {
  const missing: string[] = []
  for (const table of tables) {
    for (const right of ['SELECT', 'INSERT', 'UPDATE', 'DELETE']) {
      const { rows } = await pool.query<{ has: boolean }>('SELECT has_table_privilege($1, $2) AS has', [
        `${schema}.${table}`,
        right,
      ])
      if (rows[0]?.has !== true) missing.push(`${right} on ${table}`)
    }
  }
  const { rows } = await pool.query<{ has: boolean }>("SELECT has_function_privilege($1, 'EXECUTE') AS has", [
    `${schema}.${exchange}`,
  ])
  if (rows[0]?.has !== true) missing.push(`EXECUTE on ${exchange}`)
  if (missing.length === 0) return ok('rights', 'all that is needed')
  return fail('rights', `missing: ${missing.join(', ')}`, 'grant what docs/postgres.md lists')
}

async function latencyFinding(pool: Pool): Promise<Finding> {
  const pings: number[] = []
  for (let at = 0; at < PINGS; at++) {
    const before = performance.now()
    await pool.query('SELECT 1')
    pings.push(performance.now() - before)
  }
  const median = pings.sort((a, b) => a - b)[PINGS / 2]!
  const found = `${median.toFixed(1)} ms`
  return median < SLOW_MS ? ok('latency', found) : warn('latency', found, 'is the server far away, or busy?')
}
