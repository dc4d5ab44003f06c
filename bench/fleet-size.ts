import { loadavg } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { table } from '../examples/demo/table.ts'
import type { Circuit } from '../src/circuit/circuit.ts'
import { resolveCircuitBreakerOptions } from '../src/circuit/options.ts'
import { type RedisStore, redisStore } from '../src/entries/redis.ts'
import { startRedis } from '../test/support/servers/redis-server.ts'

// What a fleet costs one Redis that its circuits share: many clients, all in this process, each with connections of its
// own; see ./README.md. Five minutes.
//   npm run bench:fleet
//   npm run bench:fleet -- 100 300

const CIRCUITS = 10
/** Calls of each circuit in each client, per second. */
const CALLS_PER_SECOND = 5
/** How long each phase is watched, in milliseconds. */
const WATCH_MS = 10_000

const { policy } = resolveCircuitBreakerOptions({})
const given = process.argv.slice(2).map(Number)
const sizes = given.length > 0 ? given : [100, 300, 1_000]

/** One process of the fleet, as Redis sees it. */
class Client {
  readonly store: RedisStore
  readonly circuits: readonly Circuit[]
  readonly #user: Redis

  constructor(url: string) {
    this.#user = new Redis(url, { lazyConnect: true })
    // a thousand clients in one process are late where one would not be: that is no outage of Redis
    this.store = redisStore(this.#user, { commandTimeoutMs: 10_000 })
    this.circuits = Array.from({ length: CIRCUITS }, (_one, at) =>
      this.store.circuits.circuit(`https://api-${at}.test`, policy),
    )
  }

  /** A call through a circuit, as the breaker's layer makes it. */
  async call(circuit: Circuit, succeeds: boolean): Promise<void> {
    const now = performance.now()
    const admission = circuit.passing ? undefined : await circuit.admit(now)
    if (admission?.kind === 'refused') return
    if (admission?.kind === 'probe') circuit.report(admission, succeeds ? 'ok' : 'fail')
    else {
      circuit.lastUsedAt = now
      if (succeeds) circuit.succeeded(circuit.generation)
      else circuit.failed(circuit.generation, 1, 0)
    }
  }

  async close(): Promise<void> {
    await this.store.close()
    this.#user.disconnect()
  }
}

interface Usage {
  readonly at: number
  readonly cpuMs: number
  readonly commands: number
  readonly scripts: number
}

async function usageOf(redis: Redis): Promise<Usage> {
  const info = await redis.info('everything')
  const number = (name: RegExp): number => Number(name.exec(info)?.[1] ?? 0)
  return {
    at: performance.now(),
    cpuMs: 1_000 * (number(/used_cpu_sys:([\d.]+)/) + number(/used_cpu_user:([\d.]+)/)),
    commands: number(/total_commands_processed:(\d+)/),
    scripts: number(/cmdstat_evalsha:calls=(\d+)/),
  }
}

function row(size: number, phase: string, from: Usage, to: Usage): (string | number)[] {
  const ms = to.at - from.at
  const perSecond = (count: number): string => ((count / ms) * 1_000).toFixed(0)
  return [
    size,
    phase,
    perSecond(to.commands - from.commands),
    perSecond(to.scripts - from.scripts),
    `${((100 * (to.cpuMs - from.cpuMs)) / ms).toFixed(1)} %`,
  ]
}

for (const size of sizes) {
  const rows: (string | number)[][] = []
  const server = await startRedis({ args: ['--maxclients', '5000'] })
  const redis = new Redis(server.url)
  const clients: Client[] = []
  let failing = -1
  let stopped = false
  const all: { client: Client; circuit: Circuit; at: number }[] = []
  const work = async (): Promise<void> => {
    const steps = 20
    for (let step = 0; !stopped; step++) {
      const began = performance.now()
      for (let at = step % steps; at < all.length; at += steps) {
        const one = all[at]!
        void one.client.call(one.circuit, one.at !== failing)
      }
      await wait(Math.max(1, 1_000 / CALLS_PER_SECOND / steps - (performance.now() - began)))
    }
  }
  const working = work()
  // one after the other, as a fleet is deployed: a circuit is told of often while its calm is young
  for (let at = 0; at < size; at++) {
    const client = new Client(server.url)
    clients.push(client)
    all.push(...client.circuits.map((circuit, nth) => ({ client, circuit, at: nth })))
    await wait(25)
  }
  await wait(WATCH_MS * 1.5)

  const watch = async (phase: string, ms: number): Promise<void> => {
    const from = await usageOf(redis)
    await wait(ms)
    rows.push(row(size, phase, from, await usageOf(redis)))
  }
  await watch('healthy', WATCH_MS)

  const heardAt = new Map<Client, number>()
  for (const client of clients) {
    client.store.circuits.onChange(({ type, event }) => {
      if (type === 'circuit' && event.to === 'open' && !heardAt.has(client)) {
        heardAt.set(client, performance.now())
      }
    })
  }
  failing = 0
  const outage = await usageOf(redis)
  while (heardAt.size < size && performance.now() - outage.at < 60_000) await wait(20)
  rows.push(row(size, 'until one provider’s outage is known', outage, await usageOf(redis)))
  await watch('while it lasts', WATCH_MS)
  failing = -1
  const down = performance.now()
  while (clients.some(({ circuits }) => !circuits[0]!.passing) && performance.now() - down < 120_000) {
    await wait(5)
  }
  await watch('the second of its recovery', 1_000)
  const told = [...heardAt.values()].sort((a, b) => a - b)
  const quantile = (share: number): string => {
    const at = told[Math.floor((told.length - 1) * share)]
    return at === undefined ? '-' : `${(at - told[0]!).toFixed(0)} ms`
  }
  console.log(
    `${size} clients: a trip was known to ${told.length} of them, p50 ${quantile(0.5)}, p99 ${quantile(0.99)}; ` +
      `load ${loadavg()[0]!.toFixed(0)}`,
  )
  stopped = true
  await working
  await Promise.all(clients.map((client) => client.close()))
  redis.disconnect()
  await server.stop()
  const header = ['clients', 'phase', 'commands per second', 'scripts per second', 'of a core of Redis']
  console.log(table(header, rows))
}
process.exit()
