import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RateLimitInterceptorOptions } from '../../../src/rate-limit/interceptor.ts'
import { postgresStore, type PostgresStoreOptions } from '../../../src/stores/postgres/postgres-store.ts'
import { LimitedFleet, patient } from '../../support/fleet/limited-fleet.ts'
import { runCli } from '../../support/processes/cli.ts'
import { newSchema } from '../../support/servers/postgres-schemas.ts'
import { type RunningPostgres, startPostgres } from '../../support/servers/postgres-server.ts'

let server: RunningPostgres
let schema: string
let fleet: LimitedFleet

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())
beforeEach(async () => {
  schema = newSchema()
  fleet = await new LimitedFleet().start()
})
afterEach(() => fleet.end())

function process_(options: RateLimitInterceptorOptions = {}, given: PostgresStoreOptions = {}) {
  const pool = new pg.Pool({ connectionString: server.url, max: 3, connectionTimeoutMillis: 1_000 })
  pool.on('error', () => undefined)
  return fleet.join(options, postgresStore(pool, { schema, ...given }), () => pool.end())
}

describe('limits that processes share through PostgreSQL', () => {
  it('hold over all of them together', async () => {
    const limits = [{ limit: 20, intervalMs: 1_000 }]
    const all = [1, 2, 3].map(() => process_({ limits }, patient))
    await Promise.all(all.map(({ store }) => store.deadLetters.stats()))
    const sent = fleet.departures()
    const calls = Promise.all(all.flatMap(({ call }) => Array.from({ length: 9 }, () => call())))
    // while all have calls that wait: a process that has none is forgotten soon
    await expect
      .poll(() => all[0]!.state(), { timeout: 20_000 })
      .toMatchObject({ limit: 20, degraded: false, processes: 3 })
    expect(await calls).toEqual(Array.from({ length: 27 }, () => 200))
    for (const at of sent) {
      expect(sent.filter((other) => other >= at && other < at + 1_000).length).toBeLessThanOrEqual(20)
    }
    expect(sent.at(-1)! - sent[0]!).toBeLessThan(6_000)
  })

  it('let no call wait longer than it may when PostgreSQL answers nothing, and go on with a share', async () => {
    // a statement that this process itself was late for is waited for once more
    const one = process_(
      { limits: [{ limit: 100, intervalMs: 10_000 }], processes: 4, maxWaitMs: 12_000 },
      { commandTimeoutMs: 400 },
    )
    expect(await one.call()).toBe(200)
    await server.freeze()
    try {
      const start = performance.now()
      const calls = Array.from({ length: 20 }, () => one.call())
      expect(await Promise.all(calls)).toEqual(calls.map(() => 200))
      expect(performance.now() - start).toBeLessThan(10_000)
      expect(one.state()).toMatchObject({ degraded: true })
    } finally {
      server.thaw()
    }
    await vi.waitFor(() => expect(one.state()).toMatchObject({ degraded: false }), 10_000)
  })

  it('give back what they hold when they are closed', async () => {
    const one = process_({ limits: [{ limit: 10, intervalMs: 10_000 }] })
    await vi.waitFor(async () => {
      await one.call()
      expect(one.state()).toMatchObject({ used: 2 })
    }, 10_000)
    await one.store.close()
    const client = new pg.Client(server.url)
    await client.connect()
    const { rows } = await client.query(`SELECT held::int FROM ${schema}.limit_leases`)
    await client.end()
    expect(rows).toEqual([{ held: 0 }])
  })
})

describe('cool-downs that processes share through PostgreSQL', () => {
  it('stop all of them: nobody sends before the provider’s time is over', async () => {
    const all = [process_(), process_(), process_({}, { listen: false, pollIntervalMs: 100 })]
    for (const { call } of all) await call()
    let blockedUntil = 0
    fleet.answer = () => {
      if (performance.now() >= blockedUntil && blockedUntil > 0) return { status: 200 }
      blockedUntil ||= performance.now() + 3_000
      return { status: 429, headers: { 'retry-after': '3' } }
    }
    expect(await all[0]!.call()).toBe(429)
    // the last one hears nothing, and looks
    for (const { state } of all) {
      await vi.waitFor(() => expect(state().retryAfterMs).toBeGreaterThan(0), 10_000)
    }
    const before = fleet.arrived.length
    const results = await Promise.all(all.flatMap(({ call }) => [call(), call()]))
    expect(results).toEqual(results.map(() => 200))
    for (const at of fleet.arrived.slice(before)) expect(at).toBeGreaterThanOrEqual(blockedUntil)
  })

  it('end for a process that hears no messages too, and not those that begin anew', async () => {
    const [one, deaf] = [process_(), process_({}, { listen: false, pollIntervalMs: 100 })]
    await Promise.all([one.call(), deaf.call()])
    await one.limit.limits.cool(fleet.url, 60_000)
    await vi.waitFor(() => expect(deaf.state().retryAfterMs).toBeGreaterThan(50_000), 10_000)
    await one.limit.limits.clear(fleet.url)
    await vi.waitFor(() => expect(deaf.state().retryAfterMs).toBe(0), 10_000)
    await deaf.limit.limits.cool(fleet.url, 60_000)
    // it looks again and again, and what was ended before is not this one
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(deaf.state().retryAfterMs).toBeGreaterThan(50_000)
  })

  it('are known to a process that comes later, and listed, begun and ended from the command line', async () => {
    const one = process_({ maxWaitMs: 0 })
    await one.call()
    const limits = (...args: string[]) =>
      runCli(['limits', ...args, '--store', server.url, '--schema', schema, '--json'])
    expect(await limits('cool', fleet.url, '5m')).toMatchObject({ code: 0 })
    await vi.waitFor(() => expect(one.state().retryAfterMs).toBeGreaterThan(250_000), 10_000)
    await expect(one.call()).rejects.toMatchObject({ refusedBy: 'provider' })
    const late = process_({ maxWaitMs: 0 })
    await vi.waitFor(() => expect(late.state().retryAfterMs).toBeGreaterThan(250_000), 10_000)
    expect((await limits('list')).json()).toMatchObject([{ key: fleet.url }])
    expect(await limits('clear', fleet.url)).toMatchObject({ code: 0 })
    await vi.waitFor(async () => expect(await one.call()).toBe(200), 10_000)
    expect((await limits('list')).stdout).toBe('')
  })

  it('are listed from the command line with the limits of all processes', async () => {
    const limits = [{ limit: 100, intervalMs: 10_000 }]
    const both = [process_({ limits }, patient), process_({ limits }, patient)]
    const list = () => runCli(['limits', 'list', '--store', server.url, '--schema', schema, '--json'])
    await vi.waitFor(
      async () => {
        // again and again: a process that has been idle for a while is forgotten
        for (const { call, store } of both) await call().then(() => store.limits.flush())
        const [found] = (await list()).json()
        expect(found).toMatchObject({
          key: fleet.url,
          name: '10000',
          limit: 100,
          processes: 2,
          retryAfterMs: 0,
        })
      },
      { timeout: 30_000 },
    )
  })

  it('outlive a crash of the server, and are told afterwards where they began while it was away', async () => {
    const [one, two] = [process_({ maxWaitMs: 0 }), process_({ maxWaitMs: 0 })]
    for (const { call } of [one, two]) await call()
    await one.limit.limits.cool('http://before.test', 60_000)
    await server.kill()
    fleet.answer = () => ({ status: 429, headers: { 'retry-after': '60' } })
    expect(await one.call()).toBe(429)
    await expect(one.call()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED' })
    await server.restart()
    await vi.waitFor(() => expect(two.state().retryAfterMs).toBeGreaterThan(50_000), 10_000)
    const late = process_()
    await vi.waitFor(
      () => expect(late.limit.limits.state('http://before.test').retryAfterMs).toBeGreaterThan(45_000),
      10_000,
    )
  })
})
