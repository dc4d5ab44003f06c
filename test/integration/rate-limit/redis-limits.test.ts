import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RateLimitInterceptorOptions } from '../../../src/rate-limit/interceptor.ts'
import { redisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import { startSlowProxy } from '../../support/calls/slow-proxy.ts'
import { LimitedFleet, patient } from '../../support/fleet/limited-fleet.ts'
import { runCli } from '../../support/processes/cli.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

let server: RunningRedis
let fleet: LimitedFleet

beforeEach(async () => {
  server = await startRedis()
  fleet = await new LimitedFleet().start()
})
afterEach(async () => {
  await fleet.end()
  await server.stop()
})

function process_(
  options: RateLimitInterceptorOptions = {},
  given: RedisStoreOptions = {},
  port = server.port,
) {
  const client = new Redis(port, '127.0.0.1')
  client.on('error', () => undefined)
  return fleet.join(options, redisStore(client, given), () => client.disconnect())
}

describe('limits that processes share through Redis', () => {
  it('hold over all of them together', async () => {
    const limits = [{ limit: 20, intervalMs: 2_000 }]
    const all = [1, 2, 3].map(() => process_({ limits }, patient))
    await Promise.all(all.map(({ store }) => store.deadLetters.stats()))
    const sent = fleet.departures()
    const calls = Promise.all(all.flatMap(({ call }) => Array.from({ length: 12 }, () => call())))
    // while all have calls that wait: a process that has none is forgotten soon
    await expect
      .poll(() => all[0]!.state(), { timeout: 20_000 })
      .toMatchObject({ limit: 20, degraded: false, processes: 3 })
    expect(await calls).toEqual(Array.from({ length: 36 }, () => 200))
    for (const at of sent) {
      expect(sent.filter((other) => other >= at && other < at + 2_000).length).toBeLessThanOrEqual(20)
    }
    expect(sent.at(-1)! - sent[0]!).toBeLessThan(6_000)
  })

  it('let no call wait longer than it may when Redis answers nothing, and go on with a share', async () => {
    const one = process_({ limits: [{ limit: 100, intervalMs: 10_000 }], processes: 4, maxWaitMs: 8_000 })
    expect(await one.call()).toBe(200)
    server.freeze()
    try {
      const start = performance.now()
      const calls = Array.from({ length: 20 }, () => one.call())
      expect(await Promise.all(calls)).toEqual(calls.map(() => 200))
      expect(performance.now() - start).toBeLessThan(6_000)
      expect(one.state()).toMatchObject({ degraded: true })
    } finally {
      server.thaw()
    }
    await vi.waitFor(() => expect(one.state()).toMatchObject({ degraded: false }), 10_000)
  })

  it('let no call wait for a Redis that answers after 5 s, and burst at no time, nor when it is quick again', async () => {
    const proxy = await startSlowProxy(server.port)
    fleet.atEnd(() => proxy.close())
    const limits = [{ limit: 30, intervalMs: 3_000 }]
    const one = process_({ limits, maxWaitMs: 2_000 }, { commandTimeoutMs: 1_000 }, proxy.port)
    const sent = fleet.departures()
    const waits: number[] = []
    const calls: Promise<void>[] = []
    const work = async (until: () => boolean): Promise<void> => {
      while (!until()) {
        const start = performance.now()
        const refused = (error: { code?: string }): void => expect(error.code).toBe('ERR_RATE_LIMITED')
        const done = one.call().then(() => undefined, refused)
        calls.push(done.then(() => void waits.push(performance.now() - start)))
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    const after = (ms: number): (() => boolean) => {
      const end = performance.now() + ms
      return () => performance.now() > end
    }
    await work(after(1_000))
    proxy.delayMs = 5_000
    const before = sent.length
    await work(() => one.state().degraded)
    await work(after(4_000))
    expect(sent.length - before).toBeGreaterThan(20)
    proxy.delayMs = 0
    await work(() => !one.state().degraded)
    await work(after(3_000))
    await Promise.all(calls)
    // those that hung on an answer of Redis would be two in five; those of a moment in which this machine stalls are few
    waits.sort((a, b) => a - b)
    expect(waits[Math.floor(waits.length * 0.8)]).toBeLessThan(4_500)
    for (const at of sent) {
      expect(sent.filter((other) => other >= at && other < at + 3_000).length).toBeLessThanOrEqual(30)
    }
  }, 60_000)

  it('work from the first call on where Redis was never there, with the number of processes that was given', async () => {
    await server.stop()
    const one = process_({ limits: [{ limit: 40, intervalMs: 10_000 }], processes: 4, maxWaitMs: 1_500 })
    const results = await Promise.all(
      Array.from({ length: 14 }, () => one.call().catch((error: { code: string }) => error.code)),
    )
    expect(results.filter((result) => result === 200)).toHaveLength(10)
    expect(results.filter((result) => result === 'ERR_RATE_LIMITED')).toHaveLength(4)
    await server.restart()
  })

  it('give back what they hold when they are closed', async () => {
    const limits = [{ limit: 10, intervalMs: 10_000 }]
    const one = process_({ limits }, patient)
    await vi.waitFor(async () => {
      await one.call()
      expect(one.state()).toMatchObject({ used: 2 })
    }, 10_000)
    await one.store.close()
    const held = await server.cli('HVALS', `undici-resilience:1:limits:{${fleet.url}}:10000:p`)
    expect(held.split(' ')[1]).toBe('0')
  })

  it('cost an idle key no command', async () => {
    const one = process_({ limits: [{ limit: 100, intervalMs: 1_000 }] })
    await one.call()
    const commands = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await server.cli('INFO', 'commandstats'))?.[1] ?? 0)
    await vi.waitFor(
      async () => {
        const before = await commands()
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        expect(await commands()).toBe(before)
      },
      { timeout: 20_000, interval: 10 },
    )
  }, 60_000)
})

describe('cool-downs that processes share through Redis', () => {
  it('stop all of them: nobody sends before the provider’s time is over', async () => {
    const all = [process_(), process_(), process_()]
    for (const { call } of all) await call()
    let blockedUntil = 0
    fleet.answer = () => {
      if (performance.now() >= blockedUntil && blockedUntil > 0) return { status: 200 }
      blockedUntil ||= performance.now() + 3_000
      return { status: 429, headers: { 'retry-after': '3' } }
    }
    expect(await all[0]!.call()).toBe(429)
    await vi.waitFor(() => expect(all[2]!.state().retryAfterMs).toBeGreaterThan(0), 10_000)
    const before = fleet.arrived.length
    const results = await Promise.all(all.flatMap(({ call }) => [call(), call()]))
    expect(results).toEqual(results.map(() => 200))
    for (const at of fleet.arrived.slice(before)) expect(at).toBeGreaterThanOrEqual(blockedUntil)
  })

  it('are known to a process that comes later', async () => {
    const one = process_()
    await one.limit.limits.cool(fleet.url, 60_000)
    const late = process_({ maxWaitMs: 0 })
    await vi.waitFor(() => expect(late.state().retryAfterMs).toBeGreaterThan(50_000), 10_000)
    await expect(late.call()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED', refusedBy: 'provider' })
    await one.limit.limits.clear(fleet.url)
    await vi.waitFor(async () => expect(await late.call()).toBe(200), 10_000)
  })

  it('are listed, begun and ended from the command line', async () => {
    const one = process_({ maxWaitMs: 0 })
    await one.call()
    const limits = (...args: string[]) => runCli(['limits', ...args, '--store', server.url, '--json'])
    expect(await limits('cool', fleet.url, '5m')).toMatchObject({ code: 0 })
    await expect(one.call()).rejects.toMatchObject({ refusedBy: 'provider' })
    const listed = await limits('list')
    expect(JSON.parse(listed.stdout)).toMatchObject({ key: fleet.url })
    // of these no call has a limit
    for (const other of [`${fleet.url}/contacts`, new URL(fleet.url).host]) {
      for (const action of [
        ['clear', other],
        ['cool', other, '5m'],
      ]) {
        expect(await limits(...action)).toMatchObject({
          code: 2,
          stderr: `error: <key> must be that of a limit, got ${other}; did you mean ${fleet.url}?\n`,
        })
      }
    }
    expect(await limits('clear', fleet.url)).toMatchObject({ code: 0 })
    await vi.waitFor(async () => expect(await one.call()).toBe(200), 10_000)
    expect((await limits('list')).stdout).toBe('')
    expect(await limits('cool', fleet.url, 'soon')).toMatchObject({ code: 2 })
  })

  it('are listed with the limits of all processes, and watched', async () => {
    const limits = [{ limit: 100, intervalMs: 10_000 }]
    const [one, two] = [process_({ limits }, patient), process_({ limits }, patient)]
    for (const { call } of [one, two, one]) await call()
    for (const { store } of [one, two]) await store.limits.flush()
    const list = (...args: string[]) => runCli(['limits', ...args, '--store', server.url])
    await vi.waitFor(
      async () => {
        const [found] = (await list('list', '--json')).json()
        expect(found).toMatchObject({
          key: fleet.url,
          name: '10000',
          limit: 100,
          processes: 2,
          retryAfterMs: 0,
        })
        // and what was held, once this process was stopped for longer than its lease
        expect(found).toHaveProperty(
          'used',
          expect.toSatisfy((used: number) => used >= 3 && used <= 9),
        )
      },
      { timeout: 10_000 },
    )
    expect((await list('list')).stdout).toMatch(/^ *100 per 10s +[3-9] +\d+ +0 +2 +- +http:/m)
    let seen = ''
    const { code, stdout } = await runCli(['limits', 'watch', '--store', server.url], {
      started: (child) => {
        child.stdout?.on('data', (text: string) => {
          if (seen === '') void one.limit.limits.cool(fleet.url, 60_000)
          seen += text
          if (seen.includes('cools down')) child.kill('SIGINT')
        })
      },
    })
    expect(code).toBe(0)
    // one that has nothing to send is forgotten after a while, and the command line takes its time to start
    expect(stdout).toMatch(/[3-9] of 100 per 10s, \d+ held, 0 waiting, [12] processes$/m)
    expect(stdout).toMatch(/ {2}cools down for (1m|5\ds)$/m)
  })

  it('hold in their own process while Redis is away', async () => {
    const one = process_({ maxWaitMs: 0 })
    await one.call()
    await server.stop()
    fleet.answer = () => ({ status: 429, headers: { 'retry-after': '60' } })
    expect(await one.call()).toBe(429)
    await expect(one.call()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED' })
    await server.restart()
  })
})
