import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FleetPlace } from '../../support/fleet/fleet-server.ts'
import { sentAt } from '../../support/processes/sent-at.ts'
import { startPostgres } from '../../support/servers/postgres-server.ts'
import { startRedis } from '../../support/servers/redis-server.ts'

const LIMIT = 100
const INTERVAL_MS = 10_000
/** How demand is spread over the 8 processes. */
const WEIGHTS = [6, 3, 1, 1, 1, 1, 0.2, 0.2]

/** A server that limits are shared by. */
interface LimitServer {
  readonly place: FleetPlace
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
  /** Exchanges that it has answered. */
  exchanges(): Promise<number>
}

async function redisServer(): Promise<LimitServer> {
  const server = await startRedis()
  return {
    place: { ports: [server.port] },
    kill: () => server.kill({ keepDir: true }),
    restart: () => server.restart(),
    stop: () => server.stop(),
    async exchanges() {
      const client = new Redis(server.url)
      client.on('error', () => undefined)
      const stats = await client.info('commandstats')
      client.disconnect()
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
    },
  }
}

async function postgresServer(): Promise<LimitServer> {
  const server = await startPostgres(['track_functions=pl'])
  return {
    place: { postgres: server.url },
    kill: () => server.kill(),
    restart: () => server.restart(),
    stop: () => server.stop(),
    async exchanges() {
      const client = new pg.Client(server.url)
      await client.connect()
      const { rows } = await client.query<{ calls: string }>(
        "SELECT coalesce(sum(calls), 0)::text AS calls FROM pg_stat_user_functions WHERE funcname = 'limit_exchange'",
      )
      await client.end()
      return Number(rows[0]?.calls)
    },
  }
}

let server: LimitServer
let provider: string
let arrivals: number[] = []
let limited = 0
let stopProvider: () => void

interface ChildReport {
  served: number
  limited: number
  refused: number
  waits: number[]
}

beforeAll(async () => {
  const http = createServer(({ headers }, response) => {
    const at = sentAt(headers)
    arrivals = arrivals.filter((other) => at - other < INTERVAL_MS)
    if (arrivals.length >= LIMIT) {
      limited += 1
      response.writeHead(429, { 'retry-after': '1' }).end()
      return
    }
    arrivals.push(at)
    response.end()
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  provider = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`
  stopProvider = () => {
    http.closeAllConnections()
    http.close()
  }
})
afterAll(() => stopProvider())

/** 8 real processes that want `demand` of the limit; one may be killed, and the server be lost, in the middle. */
async function fleet(demand: number, ms: number, inTheMiddle: (all: ChildProcess[]) => Promise<void>) {
  arrivals = []
  limited = 0
  await new Promise((resolve) => setTimeout(resolve, 0))
  const total = WEIGHTS.reduce((sum, weight) => sum + weight, 0)
  const perSecond = (LIMIT / INTERVAL_MS) * 1_000 * demand
  const children = WEIGHTS.map((weight) =>
    fork(
      fileURLToPath(new URL('../../support/fleet/limit-fleet-child.ts', import.meta.url)),
      [
        JSON.stringify({
          place: server.place,
          provider,
          options: {
            limits: [{ limit: LIMIT, intervalMs: INTERVAL_MS }],
            processes: 8,
            maxWaitMs: 60_000,
            key: undefined,
          },
          perSecond: (perSecond * weight) / total,
        }),
      ],
      {
        execArgv: ['--import', new URL('../../support/register.ts', import.meta.url).href],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    ),
  )
  try {
    await Promise.all(children.map((child) => once(child, 'message')))
    await sleep(INTERVAL_MS)
    const limitedBefore = limited
    const before = await server.exchanges()
    const servedBefore = await reports(children)
    const start = performance.now()
    await inTheMiddle(children)
    await sleep(Math.max(0, ms - (performance.now() - start)))
    const elapsed = performance.now() - start
    const after = await server.exchanges()
    const last = await reports(children)
    const served = sum(last, 'served') - sum(servedBefore, 'served')
    const small = last
      .slice(6)
      .flatMap(({ waits }) => waits)
      .sort((a, b) => a - b)
    return {
      served,
      limited: limited - limitedBefore,
      limitedAtStart: limitedBefore,
      share: served / ((LIMIT * elapsed) / INTERVAL_MS),
      commandsPerCall: (after - before) / Math.max(1, served),
      medianOfSmallMs: small[small.length >> 1] ?? 0,
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

async function reports(children: ChildProcess[]): Promise<ChildReport[]> {
  return Promise.all(
    children
      .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      .map(async (child) => {
        const reply = once(child, 'message')
        child.send('report')
        return (await reply)[0] as ChildReport
      }),
  )
}

function sum(all: ChildReport[], name: 'served' | 'limited'): number {
  return all.reduce((total, report) => total + report[name], 0)
}

describe.each([
  ['Redis', redisServer],
  ['PostgreSQL', postgresServer],
])('8 processes that share by %s, and a provider that enforces 100 per 10 s', (name, start) => {
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server.stop())

  it('use nearly all of it when they want 150 %, and are never refused', async () => {
    const run = await fleet(1.5, 20_000, () => Promise.resolve())
    console.log(`${name}, demand 150 %:`, JSON.stringify(run))
    expect(run.limited + run.limitedAtStart).toBe(0)
    expect(run.share).toBeGreaterThan(0.95)
  }, 90_000)

  it('go without a wait when they want 50 %, and are never refused', async () => {
    const run = await fleet(0.5, 10_000, () => Promise.resolve())
    console.log(`${name}, demand 50 %:`, JSON.stringify(run))
    expect(run.limited + run.limitedAtStart).toBe(0)
  }, 90_000)

  it('are refused nearly never when the server is killed and comes back empty, and a process dies with permits', async () => {
    const run = await fleet(1.5, 25_000, async (all) => {
      await server.kill()
      all[1]!.kill('SIGKILL')
      await sleep(5_000)
      await server.restart()
    })
    console.log(`${name} killed, back empty; a process killed:`, JSON.stringify(run))
    expect(run.limited).toBeLessThanOrEqual(Math.ceil(run.served / 100))
  }, 120_000)
})
