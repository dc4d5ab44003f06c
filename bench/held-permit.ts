import { loadavg } from 'node:os'
import type { Dispatcher } from 'undici'
import { memoryStore, resilience } from '../src/index.ts'
import type { LimitBackend, LimitReply } from '../src/rate-limit/shared/backend.ts'
import { SharedLimits } from '../src/rate-limit/shared/shared-limits.ts'
import { systemScheduler } from '../src/time/clock.ts'
import { InstantDispatcher } from '../test/support/calls/instant-dispatcher.ts'
import { Sink } from './sink.ts'

// What a call pays for a permit that this process holds of a limit that all share: no promise, no command. Each is measured
// beside the same without it, in short slices of CPU time one after the other, so that a busy machine slows both alike.
//   npm run bench:permit

const ROUNDS = 400
const origin = 'https://api.example.com'
const requestHeaders = { accept: '*/*', authorization: 'Bearer x', 'user-agent': 'node' }

const granted: LimitReply = {
  status: 'same',
  generation: 'g',
  kept: 0,
  live: 0,
  background: 0,
  // more than all slices take
  spare: 1e11,
  used: 0,
  free: 1e12,
  processes: 1,
  scarce: false,
  retryInMs: undefined,
  holdMs: 0,
  profile: [],
}
const backend: LimitBackend = {
  idOf: (key) => key,
  exchange: (requests) => Promise.resolve(requests.map(() => granted)),
  cool: () => Promise.resolve(0),
  clear: () => Promise.resolve(),
  cooling: () => Promise.resolve([]),
}
const limits = new SharedLimits(backend, systemScheduler, 'bench').store

const options = (): Dispatcher.DispatchOptions => ({
  headers: requestHeaders,
  origin,
  path: '/v1/contacts/1',
  method: 'GET',
})
const bare = new InstantDispatcher().compose(resilience())
const limited = new InstantDispatcher().compose(
  resilience({
    store: { ...memoryStore(), limits },
    rateLimit: { limits: [{ limit: 1e9, intervalMs: 60_000 }] },
  }),
)
// the first call waits for the permits of all others
await new Promise<void>((resolve) => void limited.dispatch(options(), new Sink(resolve)))
const limiter = limits.limiter(limits.list()[0]!.key, { limits: [], maxQueue: 1, processes: 1 })

/** Makes so many calls; returns how many went at once. */
type Calls = (count: number) => number

const through =
  (dispatcher: Dispatcher): Calls =>
  (count) => {
    Sink.ended = 0
    for (let call = 0; call < count; call++) dispatcher.dispatch(options(), new Sink())
    return Sink.ended
  }

function loop(count: number): number {
  const now = performance.now()
  let passed = 0
  for (let call = 0; call < count; call++) if (now > call * 1e-9) passed += 1
  return passed
}

function permits(count: number): number {
  const now = performance.now()
  let passed = 0
  for (let call = 0; call < count; call++) if (limiter.passes(limiter.ones, now, false)) passed += 1
  return passed
}

/** Nanoseconds of CPU per call. */
function slice(calls: Calls, count: number): number {
  const from = process.cpuUsage()
  const passed = calls(count)
  const { user, system } = process.cpuUsage(from)
  if (passed !== count) throw new Error('a call found no permit')
  return ((user + system) * 1_000) / count
}

/** What one costs more than the other: the quartiles of the differences within a round. */
async function compare(what: string, without: Calls, withPermit: Calls, count: number): Promise<void> {
  const differences: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // timers, and the exchanges of a process that has calls
    await new Promise((resolve) => setImmediate(resolve))
    const first = round % 2 === 0 ? slice(without, count) : slice(withPermit, count)
    const second = round % 2 === 0 ? slice(withPermit, count) : slice(without, count)
    // the first ones warm up
    if (round >= ROUNDS / 10) differences.push(round % 2 === 0 ? second - first : first - second)
  }
  differences.sort((a, b) => a - b)
  const quantile = (share: number): string =>
    differences[Math.floor((differences.length - 1) * share)]!.toFixed(1)
  console.log(
    `${what}: ${quantile(0.5)} ns of CPU more, quartiles ${quantile(0.25)} and ${quantile(0.75)}; ` +
      `load ${loadavg()[0]!.toFixed(0)}`,
  )
}

await compare('a held permit (goal <= 25)', loop, permits, 50_000)
await compare(
  'a call through the whole stack, with a limit beside without',
  through(bare),
  through(limited),
  10_000,
)
process.exit()
