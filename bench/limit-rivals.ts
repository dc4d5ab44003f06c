import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { table } from '../examples/demo/table.ts'
import { redisStore } from '../src/entries/redis.ts'
import type { LimitRule } from '../src/rate-limit/limit.ts'
import { LimitRegistry } from '../src/rate-limit/registry.ts'
import type { LimiterPolicy, LimitStore } from '../src/rate-limit/store.ts'
import { startRedis } from '../test/support/servers/redis-server.ts'

// One budget for eight processes (clients of one real Redis, in one process here): permits ahead of use, beside a slot that
// is asked for with each call (GCRA), and an even split; see ./README.md. About a minute.
//   npm run bench:limits

const LIMIT = 100
const INTERVAL_MS = 10_000
const SECONDS = 50
/** What the processes want of the demand: two are busy, two hardly ever call. */
const WEIGHTS = [6, 3, 1, 1, 1, 1, 0.2, 0.2]
const KEY = 'http://api.test'

const rule: LimitRule = {
  limit: LIMIT,
  intervalMs: INTERVAL_MS,
  windowMs: INTERVAL_MS + 200,
  reserved: 0,
  cost: undefined,
}

/** Lets a call of one process go when it may. */
type Gate = () => Promise<void>

/** A slot of its own for each call: the theoretical arrival time of the next, read and moved in one step. */
const GCRA = `
  local now = redis.call('TIME'); local ms = now[1] * 1000 + now[2] / 1000
  local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
  local next = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), ms - burst)
  redis.call('SET', KEYS[1], next + step, 'PX', 60000)
  return math.max(0, math.ceil(next - ms))`

interface Design {
  readonly name: string
  make(at: number, redis: Redis, demand: string): { gate: Gate; close: () => Promise<void> }
}

function gateOf(store: LimitStore, policy: LimiterPolicy): Gate {
  return () =>
    new Promise((resolve) => {
      const limiter = store.limiter(KEY, policy)
      if (limiter.passes(limiter.ones, performance.now(), false)) return resolve()
      limiter.join({
        inLine: false,
        previousInLine: undefined,
        nextInLine: undefined,
        units: limiter.ones,
        background: false,
        waitsUntil: Infinity,
        release: resolve,
        refuse: () => undefined,
      })
    })
}

const designs: readonly Design[] = [
  {
    name: 'permits ahead (ours)',
    make(_at, redis, demand) {
      const store = redisStore(redis, { prefix: `ours-${demand.replaceAll(/\W/g, '')}` })
      const policy = { limits: [rule], maxQueue: 1e6, processes: WEIGHTS.length }
      return { gate: gateOf(store.limits, policy), close: () => store.close() }
    },
  },
  {
    name: 'GCRA, awaited',
    make(_at, redis, demand) {
      const gate: Gate = async () => {
        const args = [String(rule.windowMs / LIMIT), String(rule.windowMs / 10)]
        const ms = (await redis.eval(GCRA, 1, `gcra ${demand}`, ...args)) as number
        if (ms > 0) await wait(ms)
      }
      return { gate, close: () => Promise.resolve() }
    },
  },
  {
    name: 'an eighth each',
    make() {
      const own = { ...rule, limit: Math.floor(LIMIT / WEIGHTS.length) }
      const store = new LimitRegistry()
      return {
        gate: gateOf(store, { limits: [own], maxQueue: 1e6, processes: 1 }),
        close: () => store.close(),
      }
    },
  },
]

/** The provider's own count: what comes beyond it is a 429, and counts all the same for nobody. */
class Provider {
  readonly #served: number[] = []
  limited = 0

  ask(now: number): void {
    const inWindow = this.#served.filter((at) => now - at < INTERVAL_MS).length
    if (inWindow >= LIMIT) this.limited += 1
    else this.#served.push(now)
  }

  servedSince(from: number): number {
    return this.#served.filter((at) => at >= from).length
  }
}

interface Demand {
  readonly name: string
  /** Calls of a process in the next step of 50 ms. */
  readonly calls: (weight: number, at: number) => number
}

const sum = WEIGHTS.reduce((all, weight) => all + weight, 0)
const poisson = (mean: number): number => {
  let count = 0
  for (let product = Math.random(); product > Math.exp(-mean); product *= Math.random()) count += 1
  return count
}
const steady =
  (share: number) =>
  (weight: number): number =>
    poisson((((LIMIT / INTERVAL_MS) * 50 * share) / sum) * weight)
const demands: readonly Demand[] = [
  { name: 'half of it', calls: steady(0.5) },
  { name: '1.5 of it', calls: steady(1.5) },
  { name: 'bursts: 8 x 12 each 6 s', calls: (_weight, at) => (at % 6_000 < 50 ? 12 : 0) },
]

async function run(design: Design, demand: Demand, url: string): Promise<(string | number)[]> {
  const provider = new Provider()
  const clients = WEIGHTS.map(() => new Redis(url))
  const made = clients.map((redis, at) => design.make(at, redis, demand.name))
  const waits: number[][] = WEIGHTS.map(() => [])
  const small = (): number => {
    const all = WEIGHTS.flatMap((weight, at) => (weight <= 1 ? waits[at]! : [])).sort((a, b) => a - b)
    return all[Math.floor(all.length / 2)] ?? 0
  }
  const startedAt = performance.now()
  let calls = 0
  for (let step = 0; step < SECONDS * 20; step++) {
    for (const [at, { gate }] of made.entries()) {
      for (let count = demand.calls(WEIGHTS[at]!, step * 50); count > 0; count--) {
        const askedAt = performance.now()
        calls += 1
        void gate().then(() => {
          const now = performance.now()
          waits[at]!.push(now - askedAt)
          if (now - startedAt < SECONDS * 1_000) provider.ask(now)
        })
      }
    }
    await wait(Math.max(0, startedAt + (step + 1) * 50 - performance.now()))
  }
  const from = startedAt + INTERVAL_MS
  const could = Math.min(1, (calls / SECONDS) * (INTERVAL_MS / LIMIT / 1_000))
  const share = provider.servedSince(from) / (((SECONDS * 1_000 - INTERVAL_MS) * LIMIT) / INTERVAL_MS)
  const info = await clients[0]!.info('commandstats')
  await Promise.all(made.map(({ close }) => close()))
  for (const client of clients) client.disconnect()
  const commands = /cmdstat_(?:evalsha|eval):calls=(\d+)/g
  const scripts = [...info.matchAll(commands)].reduce((all, [, count]) => all + Number(count), 0)
  return [
    design.name,
    demand.name,
    `${((100 * share) / could).toFixed(1)} %`,
    provider.limited,
    (scripts / calls).toFixed(2),
    `${small().toFixed(1)} ms`,
  ]
}

// a server for each, so that its commands are its own
const pairs = demands.flatMap((demand) => designs.map((design) => ({ demand, design })))
const servers = await Promise.all(pairs.map(() => startRedis()))
const rows = await Promise.all(pairs.map(({ demand, design }, at) => run(design, demand, servers[at]!.url)))
console.log(
  table(
    [
      'design',
      'demand',
      'used of what was wanted',
      '429',
      'scripts per call',
      'median wait of the six small',
    ],
    rows,
  ),
)
await Promise.all(servers.map((server) => server.stop()))
process.exit()
