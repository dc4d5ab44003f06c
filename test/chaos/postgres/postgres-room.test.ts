import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { request } from 'undici'
import { afterEach, expect, it } from 'vitest'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import { postgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { Unavailable } from '../../support/calls/unavailable.ts'
import { startPostgres, unprivileged } from '../../support/servers/postgres-server.ts'

const CALLS = 2_000
/** Less would stop the log of transactions, whose files are of 16 MB. */
const MOST_OF_A_FILE = 17_000_000
const BODY = 12_000
/** How long captures are tried at the store: a call that waited for one would take as long. */
const STORE_TIMEOUT_MS = 2_000

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

it('loses nothing and keeps nothing twice when PostgreSQL can write no more, and drains when it can again', async () => {
  const server = await startPostgres()
  cleanups.push(() => server.stop())
  const pool = new pg.Pool({ connectionString: server.url, max: 4 })
  pool.on('error', () => undefined)
  const store = postgresStore(pool, { listen: false })
  const folder = await mkdtemp(join(tmpdir(), 'postgres-room-'))
  const spool = sqliteStore(join(folder, 'spool.db'))
  const dropped: string[] = []
  const letters = deadLetter({
    store,
    spool: spool.deadLetters,
    storeTimeoutMs: STORE_TIMEOUT_MS,
    onDrop: (_record, reason) => void dropped.push(reason),
  })
  cleanups.push(
    () => rm(folder, { recursive: true }),
    () => pool.end(),
    () => spool.close(),
    () => store.close(),
    () => letters.close({ timeoutMs: 0 }),
  )
  await store.deadLetters.stats()
  /** As a full disk does: no file grows beyond this. Sessions have it from the server that starts them. */
  const limitFiles = async (bytes: string): Promise<void> => {
    const { rows } = await pool.query<{ pid: string }>(
      "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1) AS pid",
    )
    const args = ['--pid', rows[0]!.pid, `--fsize=${bytes}:`]
    const { status } = spawnSync('prlimit', args, { ...unprivileged() })
    if (status !== 0) throw new Error('this test needs prlimit, of util-linux')
    await pool
      .query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = $1', [
        'client backend',
      ])
      .catch(() => undefined)
  }
  await limitFiles(String(MOST_OF_A_FILE))

  const dispatcher = new Unavailable().compose(letters)
  let slowestMs = 0
  for (let n = 0; n < CALLS; n++) {
    const body = Buffer.concat([Buffer.from(`${n} `), randomBytes(BODY)])
    const start = performance.now()
    const answer = await request(`https://api.example.com/${n}`, { method: 'POST', body, dispatcher })
    await answer.body.dump()
    slowestMs = Math.max(slowestMs, performance.now() - start)
    if (n % 20 === 0) await sleep(5)
  }
  let inSpool = 0
  let inStore = 0
  await expect
    .poll(
      async () => {
        // the spool first: what goes over between the two is counted twice, and never left out
        inSpool = (await spool.deadLetters.stats()).total
        inStore = (await store.deadLetters.stats()).total
        return inSpool + inStore
      },
      { timeout: 60_000, interval: 200 },
    )
    .toBeGreaterThanOrEqual(CALLS)
  expect(inSpool).toBeGreaterThan(0)

  const start = performance.now()
  await limitFiles('unlimited')
  await expect
    .poll(async () => (await spool.deadLetters.stats()).total, { timeout: 100_000, interval: 200 })
    .toBe(0)
  console.log(
    `full with ${inStore} in PostgreSQL and ${inSpool} in the spool; the slowest call took ${slowestMs.toFixed(0)} ms; ` +
      `drained ${((performance.now() - start) / 1000).toFixed(1)} s after there was room`,
  )
  const { rows } = await pool.query<{ url: string }>(
    "SELECT record -> 'request' ->> 'url' AS url FROM undici_resilience.dead_letters",
  )
  const numbers = rows.map(({ url }) => Number(url.split('/').at(-1))).sort((a, b) => a - b)
  expect(numbers).toEqual(Array.from({ length: CALLS }, (_one, n) => n))
  expect(dropped).toEqual([])
  expect(slowestMs).toBeLessThan(STORE_TIMEOUT_MS)
}, 180_000)
