import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { table } from '../../examples/demo/table.ts'
import { type RunningRedis, startRedis } from '../../test/support/servers/redis-server.ts'
import type { Order, Told } from './messages.ts'
import { Part } from './part.ts'

// What a fleet sends when its weak Redis is back from an outage: which commands, for how long, and what they cost Redis;
// see ../README.md.
//   npm run bench:return
//   npm run bench:return -- --clients 300 --timeout 1000 --share 0.2 --lost freeze --limit 10000

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1000' },
    /** `commandTimeoutMs` of the clients. */
    timeout: { type: 'string', default: '250' },
    /** Of the time in which Redis may run: it is stopped for the rest of every 20 ms. */
    share: { type: 'string', default: '0.4' },
    /** `kill`: it comes back empty, and all connect anew. `freeze`: it answers nothing, and then what has piled up. */
    lost: { type: 'string', default: 'kill' },
    /** Units per 10 s of a limit that all clients share; 0: there is none. */
    limit: { type: 'string', default: '0' },
    /** How long Redis is away, in seconds. */
    away: { type: 'string', default: '10' },
  },
})
const size = Number(values.clients)
const share = Number(values.share)

/** Clients of one process: what it can play without being late by itself. */
const CLIENTS_EACH = 250
const DEPLOY_EVERY_MS = 25
const SETTLE_MS = 25_000
const HEALTHY_MS = 10_000
const WATCH_SECONDS = 60
/** What is counted "at the return", in seconds. */
const RETURN_SECONDS = 30
/** A rate of scripts is that of a healthy fleet when it is no more than so many times as high. */
const AS_HEALTHY = 1.5
const PERIOD_MS = 20

/** What clients send; inside of scripts others are counted too. */
const KINDS = ['evalsha', 'eval', 'hget', 'info', 'hello', 'subscribe'] as const

interface Sample {
  readonly at: number
  readonly cpuMs: number
  readonly calls: Readonly<Record<string, number>>
  readonly forgotten: number
}

/** CPU time of a process: it can be read while Redis itself is too busy to tell. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function sample(redis: Redis, server: RunningRedis): Promise<Sample> {
  const info = await redis.info('everything')
  const calls: Record<string, number> = {}
  for (const [, name = '', count] of info.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)) {
    calls[name] = Number(count)
  }
  const forgotten = Number(/errorstat_NOSCRIPT:count=(\d+)/.exec(info)?.[1] ?? 0)
  return { at: performance.now(), cpuMs: cpuMsOf(server.pid), calls, forgotten }
}

function sent(from: Sample, to: Sample): Record<string, number> {
  return Object.fromEntries(KINDS.map((kind) => [kind, (to.calls[kind] ?? 0) - (from.calls[kind] ?? 0)]))
}

function rate(from: Sample, to: Sample): number {
  const count = Object.values(sent(from, to)).reduce((sum, one) => sum + one, 0)
  return (count / (to.at - from.at)) * 1_000
}

/** What costs Redis most by far. */
function scripts(from: Sample, to: Sample): number {
  const { evalsha = 0, eval: whole = 0 } = sent(from, to)
  return ((evalsha + whole) / (to.at - from.at)) * 1_000
}

function cpu(from: Sample, to: Sample): number {
  return (to.cpuMs - from.cpuMs) / (to.at - from.at)
}

/** A Redis that has a part of a core. */
function weaken(server: RunningRedis): { hold(): void; go(): void; end(): void } {
  let held = false
  let stopped = share >= 1
  const turn = async (): Promise<void> => {
    while (!stopped) {
      if (!held) server.thaw()
      await wait(PERIOD_MS * share)
      if (!stopped) server.freeze()
      await wait(PERIOD_MS * (1 - share))
    }
    server.thaw()
  }
  void turn()
  return {
    hold() {
      held = true
      server.freeze()
    },
    go() {
      held = false
      server.thaw()
    },
    end: () => void (stopped = true),
  }
}

const server = await startRedis({ args: ['--maxclients', '5000', '--tcp-backlog', '2048'] })
const redis = new Redis(server.url, { maxRetriesPerRequest: null })
redis.on('error', () => undefined)
const count = Math.ceil(size / CLIENTS_EACH)
const parts = Array.from(
  { length: count },
  (_one, at) =>
    new Part({
      url: server.url,
      clients: Math.floor(size / count) + (at < size % count ? 1 : 0),
      of: size,
      everyMs: DEPLOY_EVERY_MS * count,
      commandTimeoutMs: Number(values.timeout),
      limit: Number(values.limit),
    }),
)
const order = (one: Order): void => parts.forEach((part) => part.order(one))
const hear = <Is extends Told['is']>(is: Is): Promise<Extract<Told, { is: Is }>[]> =>
  Promise.all(parts.map((part) => part.hears(is)))
const alone = async (): Promise<number> => {
  order({ tell: 'alone' })
  return (await hear('alone')).reduce((sum, { clients }) => sum + clients, 0)
}
const busy = async (): Promise<number> => {
  order({ tell: 'busy' })
  return Math.max(...(await hear('busy')).map(({ share: one }) => one))
}

await hear('deployed')
const weak = weaken(server)
await wait(SETTLE_MS)
const before = await sample(redis, server)
const aloneWhileHealthy = await alone()
await wait(HEALTHY_MS)
const healthy = await sample(redis, server)
const healthyScripts = scripts(before, healthy)

await busy()
if (values.lost === 'kill') await server.kill({ keepDir: true })
else weak.hold()
await wait(Number(values.away) * 1_000)
if (values.lost === 'kill') await server.restart()
else weak.go()
const back = performance.now()
const start: Sample =
  values.lost === 'kill'
    ? { at: back, cpuMs: cpuMsOf(server.pid), calls: {}, forgotten: 0 }
    : { ...healthy, at: back, cpuMs: cpuMsOf(server.pid) }

const samples = [start]
const rows: (string | number)[][] = []
let togetherAfter = NaN
while (performance.now() - back < WATCH_SECONDS * 1_000) {
  const next = back + samples.length * 1_000
  await wait(Math.max(0, next - performance.now()))
  const last = samples.at(-1)!
  const now = await sample(redis, server)
  samples.push(now)
  const left = await alone()
  if (left > 0) togetherAfter = NaN
  else if (Number.isNaN(togetherAfter)) togetherAfter = (now.at - back) / 1_000
  const kinds = sent(last, now)
  const percent = `${(100 * cpu(last, now)).toFixed(0)} %`
  rows.push([
    ((now.at - back) / 1_000).toFixed(1),
    rate(last, now).toFixed(0),
    percent,
    left,
    ...KINDS.map((kind) => kinds[kind]!),
  ])
}
const atReturn = samples.filter(({ at }) => at - back <= RETURN_SECONDS * 1_000 + 500).at(-1)!
const noisy = samples
  .slice(1)
  .findLastIndex((one, at) => scripts(samples[at]!, one) > AS_HEALTHY * healthyScripts)
const quietAfter = ((samples[noisy + 1]?.at ?? back) - back) / 1_000
const total = sent(start, atReturn)
const perClient = (number: number): string => (number / size).toFixed(2)
const shown = rows.filter((_row, at) => at < 20 || at % 5 === 4)
console.log(table(['second', 'commands/s', 'of a core', 'alone', ...KINDS], shown))
console.log(
  `\n${size} clients, timeout ${values.timeout} ms, Redis may run ${100 * share} % of the time, lost by ${values.lost} for ${values.away} s, ` +
    `limit ${values.limit}; load ${loadavg()[0]!.toFixed(0)}, a process of clients at work for up to ${(100 * (await busy())).toFixed(0)} % of the time.\n` +
    `healthy: ${rate(before, healthy).toFixed(0)} commands/s, ${healthyScripts.toFixed(0)} of them scripts, ${(100 * cpu(before, healthy)).toFixed(1)} % of a core; alone ${aloneWhileHealthy}\n` +
    `first ${RETURN_SECONDS} s: ${perClient(Object.values(total).reduce((sum, one) => sum + one, 0))} commands per client ` +
    `(${KINDS.map((kind) => `${kind} ${perClient(total[kind]!)}`).join(', ')}; ` +
    `NOSCRIPT ${perClient(atReturn.forgotten - start.forgotten)}), ${(100 * cpu(start, atReturn)).toFixed(0)} % of a core\n` +
    `scripts/s as healthy for good after ${quietAfter.toFixed(1)} s; no client alone after ${togetherAfter.toFixed(1)} s`,
)
weak.end()
await Promise.all(parts.map((part) => part.end()))
redis.disconnect()
await server.stop()
process.exit()
