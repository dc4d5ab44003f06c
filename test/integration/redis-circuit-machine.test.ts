import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as machine from '../../src/circuit/machine.ts'
import type { CircuitPolicy } from '../../src/circuit/policy.ts'
import {
  circuitScripts,
  decodeView,
  encodePolicy,
  encodeView,
} from '../../src/stores/redis/circuit-scripts.ts'
import { seeded } from '../support/random.ts'
import { type RunningRedis, startRedis } from '../support/redis-server.ts'

let server: RunningRedis
let redis: Redis

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})

/**
 * The scripts with a clock that the test sets: microseconds come as the last argument. Keys do not expire, since that
 * would be by another clock.
 */
const [flush, acquire, report, control] = (['flush', 'acquire', 'report', 'control'] as const).map((name) =>
  circuitScripts[name].source
    .replace("redis.call('TIME')", '{ string.sub(ARGV[#ARGV], 1, -7), string.sub(ARGV[#ARGV], -6) }')
    .replaceAll("redis.call('PEXPIRE'", "redis.call('EXISTS'"),
) as [string, string, string, string]

function randomPolicy(pick: <T>(items: readonly T[]) => T): CircuitPolicy {
  const timeoutMs = pick([100, 1_000])
  return {
    failureThreshold: pick([1, 3, 5]),
    failureRate: pick([0, 0.5, 0.3]),
    minimumRequests: pick([1, 5, 10]),
    windowMs: pick([100, 1_000, 995]),
    timeoutMs,
    maxTimeoutMs: timeoutMs * pick([1, 3, 8]),
    halfOpenMaxAttempts: pick([1, 2, 3]),
    slowCallMs: 1,
    slowCallRate: pick([0, 0, 0.5]),
    quorum: pick([1, 1, 2, 3]),
    probeTimeoutMs: 60_000,
    leaseMs: pick([200, 1_000]),
  }
}

const nothing: machine.View = {
  epoch: 0,
  state: 'closed',
  remainingMs: 0,
  trips: 0,
  override: undefined,
  by: '',
}

/** Runs one random trace through the model, then the same through Redis in one pipeline, and compares every reply. */
async function runTrace(seed: number, length: number, seen: Map<string, number>): Promise<void> {
  const chance = seeded(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)] as T
  const policy = randomPolicy(pick)
  const keys = ['s', 'w', 'l', 'r'].map((part) => `{trace-${seed}}:${part}`)
  const pipeline = redis.pipeline()
  const expected: { at: number; what: string; reply: unknown }[] = []
  const known: machine.View[] = [nothing]
  let model = machine.createMachine(policy)
  let now = 1_700_000_000_000 + Math.floor(chance() * 1e9)

  for (let step = 0; step < length; step++) {
    now += pick([0, 0, 1, 1, 7, 30, 60, 120, 400, chance() < 0.05 ? 3_000 : 5, chance() < 0.02 ? -500 : 0])
    let view = chance() < 0.75 ? machine.viewOf(model, now) : pick(known)
    if (chance() < 0.04) {
      view = {
        epoch: pick([view.epoch + 1, view.epoch + 5_000_000, view.epoch + 6e10, NaN, -1, 1.5, Infinity]),
        state: pick(['closed', 'open', 'half-open'] as const),
        remainingMs: pick([0, 50, 5_000, 1e7]),
        trips: pick([0, 1, 4, 2_000]),
        override: pick([undefined, undefined, undefined, 'isolated', 'forced-closed'] as const),
        by: 'x',
      }
    }
    const by = pick(['p1', 'p2', 'p3'])
    const token = pick(['t1', 't2', 't3', 't4'])
    const send = (source: string, ...args: string[]): void => {
      const fixed = ['channel', `trace-${seed}`, by, encodePolicy(policy), encodeView(view)]
      pipeline.eval(source, 4, ...keys, ...fixed, ...args, `${now}000`)
    }
    const dice = chance()
    const note = (operation: string, reply: machine.ControlReply & { result?: string }): void => {
      const what = [operation, reply.status, reply.result, reply.view.state, reply.view.override].join(' ')
      seen.set(what, (seen.get(what) ?? 0) + 1)
      expected.push({ at: pipeline.length - 1, what: `seed ${seed} step ${step} ${operation}`, reply })
    }
    if (dice < 0.4) {
      const counts = { total: 0, failed: pick([0, 0, 1, 1, 2, 3]), slow: pick([0, 0, 0, 1]) }
      counts.total = counts.failed + counts.slow + pick([0, 1, 3])
      send(flush, String(counts.total), String(counts.failed), String(counts.slow))
      note('flush', machine.flush(model, policy, now, view, by, counts))
    } else if (dice < 0.68) {
      const renew = chance() < 0.2
      send(acquire, token, renew ? 'renew' : '')
      note('acquire', machine.acquire(model, policy, now, view, by, token, renew))
    } else if (dice < 0.96) {
      const result = pick(['ok', 'ok', 'ok', 'fail', 'void'] as const)
      send(report, token, result)
      note('report', machine.report(model, policy, now, view, by, token, result))
    } else if (dice < 0.98) {
      const action = pick(['isolate', 'force-close', 'reset', 'reset', 'reset'] as const)
      send(control, action)
      note('control', machine.control(model, policy, now, view, by, action))
    } else {
      pipeline.del(...keys)
      model = machine.createMachine(policy)
    }
    known.push(machine.viewOf(model, now))
    if (known.length > 6) known.shift()
  }

  const replies = await pipeline.exec()
  for (const { at, what, reply } of expected) {
    const [error, raw] = replies?.[at] ?? [new Error('no reply'), undefined]
    expect(error, what).toBeNull()
    const [text, status, first, second, third] = raw as string[]
    const operation = what.split(' ').at(-1)
    const rest =
      operation === 'flush'
        ? { total: Number(first), failed: Number(second), slow: Number(third) }
        : operation === 'acquire'
          ? { result: first, retryInMs: Number(second) }
          : operation === 'report'
            ? { result: first }
            : {}
    expect({ status, view: decodeView(text)?.view, ...rest }, what).toEqual(reply)
  }
}

test('the machine in Lua and the machine in TypeScript give the same reply to every step of thousands of random traces', async () => {
  const extra = Math.floor(Math.random() * 2 ** 31)
  console.log(`differential test: seeds 1 to 1,500 and ${extra} to ${extra + 499}`)
  const seen = new Map<string, number>()
  for (let seed = 1; seed <= 1_500; seed++) await runTrace(seed, 40, seen)
  for (let seed = extra; seed < extra + 500; seed++) await runTrace(seed, 40, seen)
  // the traces must reach the corners, or the comparison says nothing
  for (const corner of [
    'flush created closed',
    'flush same open',
    'flush adopted open',
    'flush refused closed',
    'flush behind half-open',
    'acquire same granted half-open',
    'acquire same denied half-open',
    'acquire same denied open isolated',
    'report same counted closed',
    'report same counted half-open',
    'report same counted open',
    'report same void half-open',
    'control adopted closed forced-closed',
  ]) {
    const times = [...seen]
      .filter(([what]) => what.replaceAll(/ +/g, ' ').trim() === corner)
      .reduce((n, [, c]) => n + c, 0)
    expect(times, corner).toBeGreaterThan(2)
  }
}, 60_000)
