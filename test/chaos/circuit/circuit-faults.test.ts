import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CountingProvider, Fleet, startCountingProvider } from '../../support/fleet/fleet.ts'
import {
  type RunningRedis,
  type RunningRedisCluster,
  startRedis,
  startRedisCluster,
} from '../../support/servers/redis-server.ts'

const PROCESSES = 5
const PROBES = 2
const LEASE_MS = 2_000
const breaker = {
  failureThreshold: 5,
  failureRate: 0,
  timeoutMs: 250,
  maxTimeoutMs: 250,
  halfOpenMaxAttempts: PROBES,
  // what is refused and what is not is told by the answers: nobody waits
  maxWaitMs: 0,
}
const store = { pollIntervalMs: 1_000, leaseMs: LEASE_MS }
/** What a busy machine adds to a few round trips. */
const BUSY_MS = 3_000
/** A poll, the timeout of a command that was on its way, the retry after it, a reconnection's longest wait. */
const HEAL_MS = 1_000 + 250 + 250 + 2_000 + BUSY_MS
/** How long Redis stands still: a refusal that waited for it would take as long. */
const FROZEN_MS = 3_000

let provider: CountingProvider
let fleet: Fleet
const healed: [fault: string, ms: number][] = []

const healthy = () => ({ status: 200, afterMs: 1 })
const outage = () => ({ status: 503, afterMs: 1 })

/** Every process has the same view, which is the server's, and none decides by itself. */
async function untilAgreed(epochOf: () => Promise<string>): Promise<number> {
  return fleet.until(async (states) => {
    const epoch = await epochOf().catch(() => '')
    return states.every((state) => !state.degraded && String(state.epoch) === epoch)
  }, 15_000)
}

/** An outage of the provider still opens the circuit for all, and its end closes it for all. */
async function worksStill(): Promise<void> {
  provider.answer = outage
  await fleet.untilAll('open')
  provider.answer = healthy
  await fleet.untilAll('closed')
}

/** Calls go on while `fault` lasts; then the views must come together, and no call may have failed because of Redis. */
async function during(
  name: string,
  epochOf: () => Promise<string>,
  fault: () => Promise<void>,
): Promise<void> {
  await fault()
  const ms = await untilAgreed(epochOf)
  healed.push([name, ms])
  console.log(`${name}: views agree after ${ms.toFixed(0)} ms`)
  await worksStill()
  await untilAgreed(epochOf)
  const reports = await fleet.reports()
  expect(reports.flatMap(({ unexpected }) => unexpected)).toEqual([])
  for (const { slowestMs } of reports) expect(slowestMs).toBeLessThan(FROZEN_MS - 1_000)
  expect(ms).toBeLessThanOrEqual(HEAL_MS)
}

describe('one server', () => {
  let redis: RunningRedis
  const epochOf = (): Promise<string> => redis.cli('hget', `undici-resilience:1:{${provider.origin}}:s`, 'ep')
  const fault = (name: string, act: () => Promise<void>): void =>
    test(`${name}: no call fails because of Redis, and the views agree again`, () =>
      during(name, epochOf, act))

  beforeAll(async () => {
    redis = await startRedis()
    provider = await startCountingProvider()
    // one process an hour ahead, one an hour behind
    fleet = await Fleet.start(
      PROCESSES,
      { place: { ports: [redis.port] }, provider: provider.origin, breaker, store },
      [3_600_000, -3_600_000],
    )
    await fleet.all({ type: 'calls', everyMs: 5 })
  })
  afterAll(async () => {
    const reports = await fleet.reports()
    console.log(
      `calls: ${JSON.stringify(reports.map(({ ok, failed, refused }) => ({ ok, failed, refused })))}`,
    )
    await fleet.close()
    await provider.close()
    await redis.stop()
  })

  fault('clocks of two processes an hour wrong', () => sleep(200))

  fault('killed and restarted empty', async () => {
    await redis.kill()
    await sleep(700)
    await redis.restart()
  })

  fault('killed while the circuit is open, restarted empty', async () => {
    provider.answer = outage
    await fleet.untilAll('open')
    await redis.kill()
    await fleet.until((states) => states.every(({ degraded }) => degraded), 10_000)
    // the local machines go on: they probe, fail, and stay open
    await sleep(500)
    expect((await fleet.states()).every(({ state, degraded }) => state !== 'closed' && degraded)).toBe(true)
    provider.answer = healthy
    // and they recover without Redis
    await fleet.untilAll('closed')
    await redis.restart()
  })

  fault('stopped for 3 s (SIGSTOP)', async () => {
    redis.freeze()
    await sleep(FROZEN_MS / 2)
    provider.answer = outage
    // each process finds out by itself
    await fleet.untilAll('open')
    provider.answer = healthy
    await sleep(FROZEN_MS / 2)
    redis.thaw()
  })

  fault('SCRIPT FLUSH', async () => {
    for (let times = 0; times < 5; times++) {
      await sleep(100)
      await redis.cli('script', 'flush')
    }
  })

  fault('CLIENT KILL', async () => {
    for (let times = 0; times < 3; times++) {
      await sleep(150)
      await redis.cli('client', 'kill', 'type', 'normal')
      await redis.cli('client', 'kill', 'type', 'pubsub')
    }
  })

  fault('CLIENT PAUSE of 1.5 s', async () => {
    await redis.cli('client', 'pause', '1500', 'ALL')
    await sleep(1_500)
  })

  fault('READONLY after a failover', async () => {
    const master = await startRedis()
    await redis.cli('replicaof', '127.0.0.1', String(master.port))
    await fleet.until((states) => states.some(({ degraded }) => degraded), 10_000)
    await redis.cli('replicaof', 'no', 'one')
    await master.stop()
  })

  fault('out of memory with noeviction', async () => {
    await redis.cli('config', 'set', 'maxmemory-policy', 'noeviction')
    await redis.cli('config', 'set', 'maxmemory', '1')
    await expect(redis.cli('set', 'other', 'value')).resolves.toContain('OOM')
    provider.answer = outage
    // our scripts may still write their few bytes: processes go on telling each other
    await fleet.until(
      (states) => states.every(({ state, degraded }) => state === 'open' && !degraded),
      10_000,
    )
    provider.answer = healthy
    await fleet.untilAll('closed')
    await redis.cli('config', 'set', 'maxmemory', '0')
  })

  fault('keys deleted one by one while calls go on', async () => {
    for (let times = 0; times < 10; times++) {
      await sleep(50)
      await redis.cli(
        'eval',
        "for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('DEL', key) end",
        '0',
      )
    }
  })

  fault('rolled back to an older state, as a failover does that lost writes', async () => {
    const key = `undici-resilience:1:{${provider.origin}}:s`
    const old = (await redis.cli('hmget', key, 'ep', 'st', 'due', 'n', 'ov', 'ps', 'by')).split('\n')
    await fleet.processes[0]!.ask({ type: 'isolate' })
    await fleet.until((states) => states.every(({ override }) => override === 'isolated'), 10_000)
    const newer = await epochOf()
    const fields = ['ep', 'st', 'due', 'n', 'ov', 'ps', 'by'].flatMap((field, at) => [field, old[at] ?? ''])
    await redis.cli('hset', key, ...fields)
    // the processes know the newer epoch, and give it back
    await expect.poll(epochOf, { timeout: 10_000 }).toBe(newer)
    expect((await fleet.states()).every(({ override }) => override === 'isolated')).toBe(true)
    await fleet.processes[1]!.ask({ type: 'reset' })
  })

  test('a prober killed with its lease delays the recovery by one lease at most', async () => {
    await fleet.all({ type: 'calls', everyMs: 0 })
    const [victim, ...others] = fleet.processes
    provider.answer = outage
    await others[0]!.ask({ type: 'burst', count: 5 })
    await fleet.untilAll('open')
    await sleep(300)
    // the victim takes both slots and dies with them
    provider.answer = () => 'never'
    void victim!.ask({ type: 'calls', everyMs: 10 })
    await fleet.until((states) => states.some(({ state }) => state === 'half-open'), 10_000)
    await expect.poll(() => provider.inHand, { timeout: 10_000, interval: 5 }).toBe(PROBES)
    victim!.child.kill('SIGKILL')
    const died = performance.now()
    fleet.processes.shift()
    provider.answer = healthy
    await fleet.all({ type: 'calls', everyMs: 5 })
    await fleet.untilAll('closed', 10_000)
    const ms = performance.now() - died
    healed.push(['prober killed with its lease', ms])
    console.log(`prober killed with its lease of ${LEASE_MS} ms: closed after ${ms.toFixed(0)} ms`)
    // far from a second lease
    expect(ms).toBeLessThan(LEASE_MS * 1.75)
    for (const { unexpected } of await fleet.reports()) expect(unexpected).toEqual([])
  })

  test('a slow probe of a living process keeps its slot for longer than a lease', async () => {
    await fleet.all({ type: 'calls', everyMs: 0 })
    provider.answer = outage
    await fleet.processes[0]!.ask({ type: 'burst', count: 5 })
    await fleet.untilAll('open')
    await sleep(300)
    let most = 0
    let came = 0
    provider.answer = () => {
      came += 1
      // none was answered yet
      if (provider.inHand === came) most = came
      return { status: 200, afterMs: LEASE_MS * 2 }
    }
    await fleet.all({ type: 'calls', everyMs: 20 })
    await fleet.untilAll('closed', LEASE_MS * 10)
    // until the first of them was answered nobody else was let through
    expect(most).toBe(PROBES)
    const reports = await fleet.reports()
    expect(reports.flatMap(({ unexpected }) => unexpected)).toEqual([])
  })

  test('the figures', () => {
    console.log(`healing, in ms:\n${healed.map(([name, ms]) => `  ${name}: ${ms.toFixed(0)}`).join('\n')}`)
    expect(healed.length).toBeGreaterThan(10)
  })
})

describe('cluster', () => {
  let cluster: RunningRedisCluster
  let slot: number
  const epochOf = async (): Promise<string> => {
    const node = cluster.nodes[await cluster.ownerOf(slot)]!
    return node.cli('hget', `undici-resilience:1:{${provider.origin}}:s`, 'ep')
  }

  beforeAll(async () => {
    cluster = await startRedisCluster()
    provider = await startCountingProvider()
    slot = Number(await cluster.nodes[0]!.cli('cluster', 'keyslot', provider.origin))
    const ports = cluster.nodes.map(({ port }) => port)
    fleet = await Fleet.start(4, { place: { ports }, provider: provider.origin, breaker, store })
    await fleet.all({ type: 'calls', everyMs: 5 })
  })
  afterAll(async () => {
    await fleet.close()
    await provider.close()
    await cluster.stop()
  })

  test('a slot that moves while calls go on: no call fails because of Redis, and the views agree again', async () => {
    await during('cluster slot moved', epochOf, async () => {
      for (let times = 0; times < 2; times++) {
        const owner = await cluster.ownerOf(slot)
        await cluster.moveSlot(slot, (owner + 1) % 3)
        await sleep(200)
      }
    })
  })

  test('a master that is frozen for 1.5 s: calls go on locally, and the views agree again', async () => {
    await during('cluster master stopped for 1.5 s', epochOf, async () => {
      const owner = cluster.nodes[await cluster.ownerOf(slot)]!
      owner.freeze()
      await sleep(1_500)
      owner.thaw()
    })
  })
})
