import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Replayer } from '../../../src/dead-letter/replay/replayer.ts'
import { startReplayer } from '../../../src/replay.ts'
import { resilience } from '../../../src/resilience.ts'
import { postgresStore, type PostgresStore } from '../../../src/stores/postgres/postgres-store.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { type CountingProvider, Fleet, startCountingProvider } from '../../support/fleet/fleet.ts'
import { fakedClock, type FakedClock } from '../../support/servers/faked-time.ts'
import { type RunningPostgres, startPostgres } from '../../support/servers/postgres-server.ts'

const PROCESSES = 4
const HOUR_MS = 3_600_000
/** What a busy machine adds to a few round trips. */
const BUSY_MS = 3_000
/** A poll, and a flush. */
const AGREE_MS = 1_000 + 250 + BUSY_MS
/** What a provider asks for now and then, and what calls under a limit may wait beside it. */
const COOL_MS = 1_000
const SLOWEST_MS = 10_000

let clock: FakedClock
let server: RunningPostgres
let provider: CountingProvider
let fleet: Fleet
const servers: Server[] = []
const pools: pg.Pool[] = []
const stores: PostgresStore[] = []
const printed: string[] = []

/** Calls under a shared limit, all the time, by two that share it. */
const limited = { calls: 0, refused: [] as string[], slowestMs: 0, coolNext: false }
const underWay = new Set<Promise<void>>()
let calling: NodeJS.Timeout

/** Entries that are sent by two replayers; their provider takes a while, so that some are under way at each step. */
const added: string[] = []
const arrivals = new Map<string, number>()
const inHand = new Set<string>()
let twoAtOnce = 0
const replayers: Replayer[] = []
let adding: NodeJS.Timeout

async function serve(handle: (incoming: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const made = createServer(handle)
  servers.push(made)
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`
}

function newStore(): PostgresStore {
  const pool = new pg.Pool({ connectionString: server.url, max: 4, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => undefined)
  const store = postgresStore(pool)
  pools.push(pool)
  stores.push(store)
  return store
}

beforeAll(async () => {
  clock = fakedClock()
  server = await startPostgres([], clock.env)
  provider = await startCountingProvider()
  const breaker = {
    failureThreshold: 5,
    failureRate: 0,
    timeoutMs: 250,
    maxTimeoutMs: 250,
    halfOpenMaxAttempts: 2,
    maxWaitMs: 0,
  }
  fleet = await Fleet.start(PROCESSES, {
    place: { postgres: server.url },
    provider: provider.origin,
    breaker,
    store: { pollIntervalMs: 1_000 },
  })
  await fleet.all({ type: 'calls', everyMs: 10 })

  const origin = await serve((_incoming, response) => {
    if (limited.coolNext) response.writeHead(429, { 'retry-after': String(COOL_MS / 1_000) })
    limited.coolNext = false
    response.end()
  })
  const stacks = [newStore(), newStore()].map((store) =>
    new Agent().compose(
      resilience({
        store,
        retry: false,
        circuitBreaker: false,
        deadLetter: false,
        rateLimit: { limits: [{ limit: 40, intervalMs: 1_000 }], processes: 2 },
      }),
    ),
  )
  calling = setInterval(() => {
    for (const dispatcher of stacks) {
      limited.calls++
      const start = performance.now()
      const call: Promise<void> = request(`${origin}/`, { dispatcher })
        .then(
          ({ body }) => body.dump(),
          (error: unknown) => void limited.refused.push(String(error)),
        )
        .finally(() => {
          limited.slowestMs = Math.max(limited.slowestMs, performance.now() - start)
          underWay.delete(call)
        })
      underWay.add(call)
    }
  }, 100)

  const letters = await serve((incoming, response) => {
    const id = incoming.url!.slice(1)
    arrivals.set(id, (arrivals.get(id) ?? 0) + 1)
    if (inHand.has(id)) twoAtOnce++
    inHand.add(id)
    setTimeout(() => {
      inHand.delete(id)
      response.end()
    }, 300)
  })
  const [adder, ...senders] = [newStore(), newStore(), newStore()]
  for (const { deadLetters } of senders) {
    const options = { allowedOrigins: [letters], ratePerSecond: Infinity, concurrency: 8, intervalMs: 100 }
    replayers.push(startReplayer(deadLetters, { ...options, leaseMs: 20_000 }))
  }
  adding = setInterval(() => {
    const record = makeRecord({ timestamp: Date.now() })
    added.push(record.id)
    void adder!.deadLetters.add([
      { ...record, request: { ...record.request, method: 'PUT', url: `${letters}/${record.id}` } },
    ])
  }, 50)
})

afterAll(async () => {
  clearInterval(calling)
  clearInterval(adding)
  await Promise.all(replayers.map((replayer) => replayer.close()))
  await Promise.all(stores.map((store) => store.close()))
  await Promise.all(pools.map((pool) => pool.end()))
  await fleet.close()
  await provider.close()
  for (const one of servers) one.closeAllConnections()
  await Promise.all(servers.map((one) => new Promise((resolve) => one.close(resolve))))
  await server.stop()
  clock.remove()
})

async function epochInStore(): Promise<string | undefined> {
  const text = 'SELECT epoch::text FROM undici_resilience.circuits WHERE id = $1'
  return (await pools[0]!.query<{ epoch: string }>(text, [provider.origin])).rows[0]?.epoch
}

const agreed = (): Promise<number> =>
  fleet.until(async (states) => {
    const epoch = await epochInStore()
    return states.every((state) => !state.degraded && String(state.epoch) === epoch)
  }, 20_000)

test.each([
  ['an hour ahead', HOUR_MS],
  ['an hour back', 0],
  ['another hour back', -HOUR_MS],
  ['an hour ahead again', 0],
])(
  "the server's clock steps %s: no call fails or waits, views agree, and a circuit opens and closes as ever",
  async (name, offsetMs) => {
    const { refused } = limited
    provider.answer = () => ({ status: 503, afterMs: 1 })
    await fleet.untilAll('open')
    // in the middle of an opening, a cool-down, leases and what is being sent
    limited.coolNext = true
    await expect.poll(() => limited.coolNext, { timeout: 20_000 }).toBe(false)
    clock.set(offsetMs)
    provider.answer = () => ({ status: 200, afterMs: 1 })
    const closedMs = await fleet.untilAll('closed', 20_000)
    const agreedMs = await agreed()
    provider.answer = () => ({ status: 503, afterMs: 1 })
    const openMs = await fleet.untilAll('open')
    provider.answer = () => ({ status: 200, afterMs: 1 })
    const closedAgainMs = await fleet.untilAll('closed')
    await agreed()
    limited.coolNext = true
    await expect.poll(() => limited.coolNext, { timeout: 20_000 }).toBe(false)
    limited.slowestMs = 0
    await sleep(COOL_MS)
    await Promise.all(underWay)
    const shown = [closedMs, agreedMs, openMs, closedAgainMs, limited.slowestMs].map(Math.round)
    printed.push(
      `  ${name}: closed after ${shown[0]} ms, agreed ${shown[1]}, open for all ${shown[2]}, closed for all ${shown[3]}; slowest call under the limit ${shown[4]}`,
    )
    expect((await fleet.reports()).flatMap(({ unexpected }) => unexpected)).toEqual([])
    expect(refused).toEqual([])
    expect(agreedMs).toBeLessThan(AGREE_MS)
    expect(limited.slowestMs).toBeLessThan(SLOWEST_MS)
  },
)

test('nothing was lost, and nothing was sent twice or by two at once', async () => {
  clearInterval(calling)
  clearInterval(adding)
  const { deadLetters } = stores.at(-1)!
  const waiting = (await deadLetters.stats()).byStatus
  await expect.poll(async () => (await deadLetters.stats()).total, { timeout: 60_000 }).toBe(0)
  console.log(
    `the clock of PostgreSQL stepped, with ${PROCESSES} processes:\n${printed.join('\n')}\n` +
      `  ${limited.calls} calls under a limit, ${added.length} replays; at the end waited ${JSON.stringify(waiting)}`,
  )
  expect(twoAtOnce).toBe(0)
  expect(added.filter((id) => arrivals.get(id) !== 1)).toEqual([])
})
