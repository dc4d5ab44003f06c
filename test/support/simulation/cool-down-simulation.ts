import { LimitRegistry } from '../../../src/rate-limit/registry.ts'
import type { LimiterPolicy } from '../../../src/rate-limit/store.ts'
import { seeded } from './random.ts'
import { VirtualClock } from './virtual-clock.ts'

const key = 'http://api.test'
const policy: LimiterPolicy = { limits: [], maxQueue: 1e9, processes: 1 }

interface CoolDownScenario {
  readonly seed: number
  /** Calls per second of each of 8 processes. */
  readonly demand: number
  /** What the provider takes, per second, and at once. */
  readonly capacity: number
  readonly burst: number
  /** Until when it refuses everything, in milliseconds, from second 4 on. */
  readonly blockMs: number
  /** Of what it could take, it refuses this share all the same. */
  readonly arbitrary?: number
  /** Without a ramp: all go when the time is up. */
  readonly atOnce?: boolean
}

/** 8 processes that share their cool-downs, and a provider with a token bucket, in virtual time: 36 s. */
export async function simulateCoolDown({
  seed,
  demand,
  capacity,
  burst,
  blockMs,
  arbitrary = 0,
  atOnce = false,
}: CoolDownScenario) {
  const random = seeded(seed)
  const clock = new VirtualClock(1_000, random)
  const start = clock.now()
  const blockedFrom = start + 4_000
  let tokens = burst
  let filledAt = start
  const counts = { served: 0, blocked: 0, limited: 0, firstSecond: 0, waiting: 0, slowestMs: 0 }
  const provider = (): number => {
    const now = clock.now()
    tokens = Math.min(burst, tokens + ((now - filledAt) * capacity) / 1_000)
    filledAt = now
    if (now >= blockedFrom && now < blockedFrom + blockMs) {
      counts.blocked += 1
      return 2_000
    }
    if (tokens < 1 || random() < arbitrary) {
      counts.limited += 1
      return 1_000
    }
    tokens -= 1
    if (now >= blockedFrom + blockMs && now < blockedFrom + blockMs + 1_000) counts.firstSecond += 1
    return 0
  }
  const processes = Array.from({ length: 8 }, () => new LimitRegistry(clock))
  const send = (process: LimitRegistry, since: number): void => {
    clock.after(10, () => {
      const refusedFor = provider()
      clock.after(10, () => {
        if (refusedFor === 0) {
          counts.served += 1
          process.cooling(key)?.ramp.served()
          counts.slowestMs = Math.max(counts.slowestMs, clock.now() - since)
          return
        }
        process.cooled({ key, ms: refusedFor }, process.place(key), policy)
        for (const other of processes) {
          if (other !== process) clock.after(2, () => other.heardCooldown(key, refusedFor - 2))
        }
        // its own retry comes back through the limiter
        clock.after(refusedFor + 1, () => call(process, since))
      })
    })
  }
  const call = (process: LimitRegistry, since: number): void => {
    const now = clock.now()
    process.place(key).count(now)
    const limiter = process.cooling(key)
    if (atOnce) {
      const wait = Math.max(0, (limiter?.coolUntil ?? 0) - now)
      clock.after(wait, () =>
        (limiter?.coolUntil ?? 0) > clock.now() ? call(process, since) : send(process, since),
      )
      return
    }
    if (limiter === undefined || limiter.passes([], now, false)) return send(process, since)
    limiter.join({
      inLine: false,
      previousInLine: undefined,
      nextInLine: undefined,
      units: [],
      background: false,
      waitsUntil: Infinity,
      release: () => send(process, since),
      refuse: () => {
        throw new Error('nobody is refused here')
      },
    })
  }
  for (const process of processes) {
    const next = (): void => {
      clock.after((-Math.log(1 - random()) / demand) * 1_000, () => {
        if (clock.now() > start + 36_000) return
        call(process, clock.now())
        next()
      })
    }
    next()
  }
  while (clock.now() < start + 36_000 && clock.step());
  counts.waiting = processes.reduce((sum, one) => sum + one.state(key).waiting, 0)
  return counts
}
