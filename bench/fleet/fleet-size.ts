import { loadavg } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { table } from '../../examples/demo/table.ts'
import { startRedis } from '../../test/support/servers/redis-server.ts'
import type { Order, Told } from './messages.ts'
import { Part } from './part.ts'

// What a fleet costs one Redis that its circuits share: many clients in a few processes (clients.ts), each with connections
// of its own. Counted is the CPU time of Redis itself, which a busy machine does not change much; see ../README.md.
//   npm run bench:fleet
//   npm run bench:fleet -- 100 300

/** Clients of one process: what it can play without being late by itself. */
const CLIENTS_EACH = 250
/** A client is deployed every so many milliseconds. */
const DEPLOY_EVERY_MS = 25
/** How long each phase is watched, in milliseconds. */
const WATCH_MS = 10_000

const given = process.argv.slice(2).map(Number)
const sizes = given.length > 0 ? given : [100, 300, 1_000]

interface Usage {
  readonly at: number
  readonly cpuMs: number
  readonly commands: number
  readonly scripts: number
  /** How long scripts took; more than the time of the CPU where Redis had to wait for one. */
  readonly scriptsMs: number
}

async function usageOf(redis: Redis): Promise<Usage> {
  const info = await redis.info('everything')
  const number = (name: RegExp): number => Number(name.exec(info)?.[1] ?? 0)
  return {
    at: performance.now(),
    cpuMs: 1_000 * (number(/used_cpu_sys:([\d.]+)/) + number(/used_cpu_user:([\d.]+)/)),
    commands: number(/total_commands_processed:(\d+)/),
    scripts: number(/cmdstat_evalsha:calls=(\d+)/),
    scriptsMs: number(/cmdstat_evalsha:calls=\d+,usec=(\d+)/) / 1_000,
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
    `${Math.min(100, (100 * (to.cpuMs - from.cpuMs)) / (to.scriptsMs - from.scriptsMs)).toFixed(0)} %`,
  ]
}

/** A bare subscriber, and when it heard of the first opening: as late as Redis had written to its socket. */
async function subscriber(url: string): Promise<{ after: () => number; close: () => void }> {
  const redis = new Redis(url)
  let after = NaN
  redis.on('message', (_channel, message: string) => {
    const [, , epoch, state] = message.split(' ')
    if (state !== 'o' || !Number.isNaN(after)) return
    after = performance.timeOrigin + performance.now() - Number(epoch) / 1_000
  })
  await redis.subscribe('undici-resilience:1:circuits:0')
  return { after: () => after, close: () => redis.disconnect() }
}

function quantile(sorted: readonly number[], share: number): string {
  return `${sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(0)} ms`
}

for (const size of sizes) {
  const rows: (string | number)[][] = []
  const server = await startRedis({ args: ['--maxclients', '5000'] })
  const redis = new Redis(server.url)
  const first = await subscriber(server.url)
  const count = Math.ceil(size / CLIENTS_EACH)
  const parts = Array.from({ length: count }, (_one, at) => {
    const clients = Math.floor(size / count) + (at < size % count ? 1 : 0)
    return new Part({
      url: server.url,
      clients,
      everyMs: DEPLOY_EVERY_MS * count,
      // many clients in one process are late where one would not be: that is no outage of Redis
      commandTimeoutMs: 10_000,
      limit: 0,
    })
  })
  const order = (order: Order): void => parts.forEach((part) => part.order(order))
  const hear = <Is extends Told['is']>(is: Is): Promise<Extract<Told, { is: Is }>[]> =>
    Promise.all(parts.map((part) => part.hears(is)))
  const watch = async (phase: string, until: Promise<unknown>): Promise<void> => {
    const from = await usageOf(redis)
    await until
    rows.push(row(size, phase, from, await usageOf(redis)))
  }
  const busy = async (): Promise<number> => {
    order({ tell: 'busy' })
    return Math.max(...(await hear('busy')).map(({ share }) => share))
  }

  await hear('deployed')
  const last = await subscriber(server.url)
  await wait(WATCH_MS * 1.5)
  await busy()
  await watch('healthy', wait(WATCH_MS))
  const mostBusy = await busy()

  order({ failing: 0 })
  const opened = hear('open')
  await watch('until one provider’s outage is known', opened)
  const after = (await opened).flatMap((told) => told.after).sort((a, b) => a - b)
  await watch('while it lasts', wait(WATCH_MS))
  order({ failing: -1 })
  order({ tell: 'passing' })
  await hear('passing')
  await watch('the second of its recovery', wait(1_000))

  console.log(
    `${size} clients in ${count} processes, each at work for up to ${(100 * mostBusy).toFixed(0)} % of the time while healthy; ` +
      `load ${loadavg()[0]!.toFixed(0)}.\n` +
      `After a trip ${after.length} of them knew: p50 ${quantile(after, 0.5)}, p99 ${quantile(after, 0.99)}, ` +
      `all ${quantile(after, 1)}. ` +
      `Redis had written to the first and to the last subscriber after ${first.after().toFixed(0)} and ${last.after().toFixed(0)} ms.`,
  )
  first.close()
  last.close()
  await Promise.all(parts.map((part) => part.end()))
  redis.disconnect()
  await server.stop()
  const header = [
    'clients',
    'phase',
    'commands/s',
    'scripts/s',
    'of a core of Redis',
    'it had when it needed one',
  ]
  console.log(table(header, rows))
}
process.exit()
