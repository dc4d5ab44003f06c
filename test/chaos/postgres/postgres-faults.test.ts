import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deadLetter, type DeadLetterInterceptor } from '../../../src/dead-letter/interceptor.ts'
import { postgresStore, type PostgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { type SlowProxy, startSlowProxy } from '../../support/calls/slow-proxy.ts'
import { Unavailable } from '../../support/calls/unavailable.ts'
import { type CountingProvider, Fleet, startCountingProvider } from '../../support/fleet/fleet.ts'
import { type RunningPostgres, startPostgres, startStandby } from '../../support/servers/postgres-server.ts'

const PROCESSES = 4
/** What a busy machine adds to a few round trips. */
const BUSY_MS = 3_000
/** A poll, the timeout of a statement that was on its way, the pause and the connection after it. */
const HEAL_MS = 1_000 + 1_000 + 1_000 + 2_000 + BUSY_MS
/** How long captures are tried at the store: a call that waited for one would take as long. */
const STORE_TIMEOUT_MS = 2_000

let server: RunningPostgres
let standby: RunningPostgres | undefined
/** What all processes connect to: after a failover it leads to another server. */
let proxy: SlowProxy
let provider: CountingProvider
let fleet: Fleet
const healed: [fault: string, ms: number][] = []

/** Captures go on all the time, in this process. */
let folder: string
let pool: pg.Pool
let store: PostgresStore
let spool: ReturnType<typeof sqliteStore>
let letters: DeadLetterInterceptor
let capturing: NodeJS.Timeout
let captured = 0
let slowestCallMs = 0
const underWay = new Set<Promise<void>>()
const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)

const healthy = () => ({ status: 200, afterMs: 1 })
const outage = () => ({ status: 503, afterMs: 1 })

beforeAll(async () => {
  process.on('unhandledRejection', note)
  server = await startPostgres()
  proxy = await startSlowProxy(server.port)
  const url = server.url.replace(`:${server.port}/`, `:${proxy.port}/`)
  provider = await startCountingProvider()
  const breaker = {
    failureThreshold: 5,
    failureRate: 0,
    timeoutMs: 250,
    maxTimeoutMs: 250,
    halfOpenMaxAttempts: 2,
    maxWaitMs: 0,
  }
  // one process an hour ahead, one an hour behind
  fleet = await Fleet.start(
    PROCESSES,
    { place: { postgres: url }, provider: provider.origin, breaker, store: { pollIntervalMs: 1_000 } },
    [3_600_000, -3_600_000],
  )
  await fleet.all({ type: 'calls', everyMs: 10 })

  folder = await mkdtemp(join(tmpdir(), 'postgres-faults-'))
  pool = new pg.Pool({ connectionString: url, max: 4, connectionTimeoutMillis: 1_000 })
  pool.on('error', () => undefined)
  store = postgresStore(pool, { listen: false })
  spool = sqliteStore(join(folder, 'spool.db'))
  letters = deadLetter({
    integration: 'chaos',
    store,
    spool: spool.deadLetters,
    storeTimeoutMs: STORE_TIMEOUT_MS,
  })
  const dispatcher = new Unavailable().compose(letters)
  capturing = setInterval(() => {
    const start = performance.now()
    const n = captured++
    const call: Promise<void> = request(`https://api.example.com/orders/${n}`, {
      method: 'POST',
      body: String(n),
      dispatcher,
    })
      .then(async ({ body }) => {
        await body.dump()
        slowestCallMs = Math.max(slowestCallMs, performance.now() - start)
      })
      .finally(() => underWay.delete(call))
    underWay.add(call)
  }, 10)
})
afterAll(async () => {
  clearInterval(capturing)
  await fleet.close()
  await provider.close()
  await store.close()
  await spool.close()
  await pool.end()
  await proxy.close()
  await server.stop()
  await standby?.stop()
  await rm(folder, { recursive: true })
  process.off('unhandledRejection', note)
})

/** A connection of the test's own, past the proxy and past what is done to all others. */
async function connected(): Promise<pg.Client> {
  const options = '-c default_transaction_read_only=off -c statement_timeout=0'
  const client = new pg.Client({ connectionString: (standby ?? server).url, options })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function sql(text: string): Promise<pg.QueryResultRow[]> {
  const client = await connected()
  const { rows } = await client.query<pg.QueryResultRow>(text)
  await client.end()
  return rows
}

const endOthers = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()'

async function untilAgreed(): Promise<number> {
  return fleet.until(async (states) => {
    const rows = await sql(
      `SELECT epoch::text FROM undici_resilience.circuits WHERE id = '${provider.origin}'`,
    ).catch(() => [])
    return states.every(({ degraded, epoch }) => !degraded && String(epoch) === rows[0]?.['epoch'])
  }, 20_000)
}

/** Calls go on while `act` lasts; then the views come together, and an outage of the provider opens the circuit for all. */
function fault(name: string, act: () => Promise<void>): void {
  test(`${name}: no call fails because of PostgreSQL, and the views agree again`, async () => {
    await act()
    const ms = await untilAgreed()
    healed.push([name, ms])
    provider.answer = outage
    await fleet.untilAll('open')
    provider.answer = healthy
    await fleet.untilAll('closed')
    await untilAgreed()
    const reports = await fleet.reports()
    expect(reports.flatMap(({ unexpected }) => unexpected)).toEqual([])
    expect(ms).toBeLessThanOrEqual(HEAL_MS)
  })
}

fault('clocks of two processes an hour wrong', () => sleep(200))

fault('killed and restarted, its unlogged tables empty', async () => {
  await server.kill()
  await sleep(700)
  await server.restart()
})

fault('killed while the circuit is open', async () => {
  provider.answer = outage
  await fleet.untilAll('open')
  await server.kill()
  await fleet.until((states) => states.every(({ degraded }) => degraded), 10_000)
  // the local machines go on: they probe, fail, and stay open
  await sleep(500)
  expect((await fleet.states()).every(({ state, degraded }) => state !== 'closed' && degraded)).toBe(true)
  provider.answer = healthy
  // and they recover without it
  await fleet.untilAll('closed')
  await server.restart()
})

fault('stopped for 4 s (SIGSTOP)', async () => {
  await server.freeze()
  await sleep(2_000)
  provider.answer = outage
  // each process finds out by itself
  await fleet.untilAll('open')
  provider.answer = healthy
  await sleep(2_000)
  server.thaw()
})

fault('all sessions ended, three times', async () => {
  for (let times = 0; times < 3; times++) {
    await sleep(150)
    await sql(endOthers)
  }
})

fault('connections cut while answers were on their way, three times', async () => {
  for (let times = 0; times < 3; times++) {
    proxy.delayMs = 60_000
    await sleep(300)
    proxy.cut()
    proxy.delayMs = 0
    await sleep(300)
  }
})

fault('the listening connections lost, and a transition missed', async () => {
  await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
  await fleet.processes[0]!.ask({ type: 'isolate' })
  await fleet.until((states) => states.every(({ override }) => override === 'isolated'), 10_000)
  await fleet.processes[1]!.ask({ type: 'reset' })
})

fault('read only for 1.5 s', async () => {
  await sql('ALTER SYSTEM SET default_transaction_read_only = on')
  await sql('SELECT pg_reload_conf()')
  await sleep(1_500)
  await sql('ALTER SYSTEM RESET default_transaction_read_only')
  await sql('SELECT pg_reload_conf()')
})

fault('a statement_timeout that nothing keeps to, for 1.5 s', async () => {
  const client = await connected()
  await client.query('ALTER ROLE postgres SET statement_timeout = 1')
  // of new sessions only
  await client.query(endOthers)
  await client.query('BEGIN')
  await client.query('LOCK TABLE undici_resilience.circuits, undici_resilience.dead_letters')
  await sleep(1_500)
  await client.query('COMMIT')
  await client.query('ALTER ROLE postgres RESET statement_timeout')
  await client.query(endOthers)
  await client.end()
})

fault('out of connections for 1.5 s', async () => {
  const taken: pg.Client[] = []
  const client = await connected()
  await client.query(endOthers)
  for (let full = false; !full;) {
    const one = new pg.Client(server.url)
    one.on('error', () => undefined)
    await one.connect().then(
      () => taken.push(one),
      () => (full = true),
    )
  }
  await sleep(1_500)
  await Promise.all(taken.map((one) => one.end()))
  await client.end()
})

fault('tables emptied while calls go on', async () => {
  for (let times = 0; times < 5; times++) {
    await sleep(100)
    await sql('TRUNCATE undici_resilience.circuits, undici_resilience.circuit_counts')
  }
})

fault('failed over to a standby', async () => {
  const next = await startStandby(server)
  const caughtUp = async (): Promise<boolean> => {
    const client = new pg.Client(server.url)
    client.on('error', () => undefined)
    await client.connect()
    const { rows } = await client.query<{ same: boolean }>(
      'SELECT coalesce(bool_and(replay_lsn = pg_current_wal_lsn()), false) AS same FROM pg_stat_replication',
    )
    await client.end()
    return rows[0]?.same === true
  }
  // a standby refuses to write, and to read what is unlogged
  proxy.target = next.port
  proxy.cut()
  await expect.poll(caughtUp, { timeout: 20_000 }).toBe(true)
  await sleep(1_000)
  standby = next
  await sql('SELECT pg_promote()')
  await server.kill()
})

test('no capture was lost or kept twice, no call was slow, and no rejection went unhandled', async () => {
  clearInterval(capturing)
  console.log(`healing, in ms:\n${healed.map(([name, ms]) => `  ${name}: ${ms.toFixed(0)}`).join('\n')}`)
  await Promise.all(underWay)
  await letters.flush({ timeoutMs: 30_000 })
  await expect
    .poll(async () => (await spool.deadLetters.stats()).total, { timeout: 90_000, interval: 200 })
    .toBe(0)
  const rows = await sql(`SELECT record -> 'request' ->> 'url' AS url FROM undici_resilience.dead_letters`)
  const numbers = rows.map(({ url }) => Number(String(url).split('/').at(-1))).sort((a, b) => a - b)
  console.log(`${captured} captures in all; the slowest call took ${slowestCallMs.toFixed(0)} ms`)
  expect(numbers).toEqual(Array.from({ length: captured }, (_one, n) => n))
  expect(unhandled).toEqual([])
  expect(slowestCallMs).toBeLessThan(STORE_TIMEOUT_MS)
}, 180_000)
