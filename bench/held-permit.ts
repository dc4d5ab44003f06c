import { Limiter } from '../src/rate-limit/limiter.ts'
import type { LimitBackend, LimitReply } from '../src/rate-limit/shared/backend.ts'
import { SharedLimits } from '../src/rate-limit/shared/shared-limits.ts'
import type { LimiterPolicy } from '../src/rate-limit/store.ts'
import { systemScheduler } from '../src/time/clock.ts'

// What a call pays for a permit that this process holds of a limit that all share: no promise, no command. A second.
//   npm run bench:permit

const CALLS = 200_000
const ROUNDS = 31

const granted: LimitReply = {
  status: 'same',
  generation: 'g',
  kept: 0,
  live: 0,
  background: 0,
  // more than a round takes
  spare: 10 * CALLS * ROUNDS,
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
const rule = { limit: 1e12, intervalMs: 60_000, windowMs: 60_200, reserved: 0, cost: undefined }
const policy: LimiterPolicy = { limits: [rule], maxQueue: 1, processes: 1 }
const shared = new SharedLimits(backend, systemScheduler, 'bench')
const limiter: Limiter = shared.store.limiter('http://api.test', policy)
await new Promise<void>((release) => {
  limiter.join({
    inLine: false,
    previousInLine: undefined,
    nextInLine: undefined,
    units: limiter.ones,
    background: false,
    waitsUntil: Infinity,
    release,
    refuse: () => undefined,
  })
})

/** Nanoseconds of CPU per turn of a loop, the median of the rounds. */
function cost(turn: (now: number) => boolean): number {
  const rounds: number[] = []
  let passed = 0
  for (let round = 0; round < ROUNDS; round++) {
    const now = performance.now()
    const from = process.cpuUsage()
    for (let call = 0; call < CALLS; call++) if (turn(now)) passed += 1
    const { user, system } = process.cpuUsage(from)
    rounds.push(((user + system) * 1_000) / CALLS)
  }
  if (passed !== CALLS * ROUNDS) throw new Error('calls found no permit')
  return rounds.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!
}

const empty = cost((now) => now > 0)
const permit = cost((now) => limiter.passes(limiter.ones, now, false))
console.log(`a held permit: ${(permit - empty).toFixed(1)} ns of CPU; goal <= 25`)
process.exit()
