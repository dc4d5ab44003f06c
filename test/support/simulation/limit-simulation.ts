import { Redis } from 'ioredis'
import type { LimitRule } from '../../../src/rate-limit/limit.ts'
import type { LimitBackend } from '../../../src/rate-limit/shared/backend.ts'
import { SharedLimits } from '../../../src/rate-limit/shared/shared-limits.ts'
import { decodeLimitMessage } from '../../../src/rate-limit/shared/wire.ts'
import type { LimiterPolicy } from '../../../src/rate-limit/store.ts'
import { RedisLimitBackend } from '../../../src/stores/redis/limits/backend.ts'
import { LimitLayout } from '../../../src/stores/redis/limits/layout.ts'
import { makeLimitScripts } from '../../../src/stores/redis/limits/scripts.ts'
import { seeded } from './random.ts'
import { settled, VirtualClock } from './virtual-clock.ts'

const START = 1_700_000_000_000
const key = 'http://api.test'

interface SimulatedProcess {
  limits: SharedLimits
  dead: boolean
  weight: number
}

/** What a run is made of; random but for what is given. */
interface LimitScenario {
  readonly seed: number
  readonly wipe?: boolean
  readonly lost?: number
  readonly crash?: boolean
  /** Changes the script: an invariant is broken. */
  readonly mutate?: (script: string) => string
}

export interface LimitRun {
  readonly seed: number
  readonly limit: number
  readonly intervalMs: number
  readonly processes: number
  readonly lost: number
  readonly crash: boolean
  readonly wipe: boolean
  /** The most uses that the provider saw in any interval. */
  readonly worst: number
  /** Uses of what was permitted in all but the first interval. */
  readonly share: number
  readonly exchangesPerCall: number
  /** Uses that went without the store. */
  readonly alone: number
  readonly calls: number
}

/** The real script in a real Redis, and the real client, in simulated time. */
export class LimitSimulation {
  readonly #redis: Redis
  readonly #subscriber: Redis

  constructor(url: string) {
    this.#redis = new Redis(url)
    this.#subscriber = new Redis(url)
  }

  close(): void {
    this.#redis.disconnect()
    this.#subscriber.disconnect()
  }

  async run({
    seed,
    wipe,
    lost: givenLost,
    crash: givenCrash,
    mutate = (text) => text,
  }: LimitScenario): Promise<LimitRun> {
    const random = seeded(seed)
    const clock = new VirtualClock(1_000, random)
    const oneOf = <T>(...all: T[]): T => all[Math.floor(random() * all.length)]!
    const limit = oneOf(10, 50, 100, 300)
    const intervalMs = oneOf(1_000, 5_000, 10_000)
    const count = 2 + Math.floor(random() * 8)
    const demand = 0.3 + random() * 2
    const lost = givenLost ?? (random() < 0.5 ? 0.02 : 0)
    const crash = givenCrash ?? random() < 0.5
    const isWiped = wipe ?? random() < 0.2
    const rule: LimitRule = {
      limit,
      intervalMs,
      windowMs: intervalMs + Math.min(200, Math.max(50, intervalMs * 0.02)),
      reserved: 0,
      cost: undefined,
    }
    const policy: LimiterPolicy = { limits: [rule], maxQueue: 1e9, processes: count }
    const endsAt = clock.now() + Math.max(15_000, intervalMs * 3)
    const prefix = `sim${seed}`
    const channel = `${prefix}:channel`
    const layout = new LimitLayout(this.#redis, prefix)
    const scripts = makeLimitScripts('local micros = tonumber(ARGV[#ARGV]) * 1000')
    const exchange = { ...scripts.exchange, source: mutate(scripts.exchange.source), sha: '' }
    const real = new Set<Promise<unknown>>()
    let exchanges = 0

    const serverNow = (): string => String(Math.floor(START + clock.now()))
    const call = async (keys: string[], args: (string | Buffer)[]): Promise<unknown> => {
      const value = await this.#redis.call('EVAL', [
        exchange.source,
        keys.length,
        ...keys,
        ...args,
        serverNow(),
      ])
      // what it published is heard by now, and not a few steps of the clock later: the same seed plays the same again
      await this.#subscriber.ping()
      return value
    }
    const backendOf = (process: SimulatedProcess): LimitBackend => {
      const whole = new RedisLimitBackend({
        client: { isCluster: false } as never,
        layout,
        channel,
        timeoutMs: 1_000,
        scripts,
        run: (_script, runs) =>
          Promise.all(
            runs.map(({ keys, args }) => {
              if (process.dead) return Promise.resolve(new Error('dead'))
              exchanges += 1
              const reply = Promise.withResolvers<unknown>()
              const never = random() < lost
              const unheard = random() < lost
              clock.after(0.2 + random(), () => {
                const answer = never ? Promise.resolve(undefined) : call([...keys], [...args])
                const tracked = answer.then((value) => {
                  if (never || unheard) clock.after(250, () => reply.resolve(new Error('lost')))
                  else {
                    clock.after(0.2 + random(), () => reply.resolve(process.dead ? new Error('dead') : value))
                  }
                })
                real.add(tracked)
                void tracked.finally(() => real.delete(tracked))
              })
              return reply.promise
            }),
          ),
      })
      return whole
    }
    let made = 0
    const make = (weight: number): SimulatedProcess => {
      const process: SimulatedProcess = { limits: undefined as never, dead: false, weight }
      process.limits = new SharedLimits(backendOf(process), clock, `p${made++}`)
      return process
    }
    const processes = Array.from({ length: count }, () => make(random() < 0.3 ? 0.05 : random()))
    const onMessage = (from: string, text: string): void => {
      const message = from === channel ? decodeLimitMessage(text) : undefined
      if (message === undefined) return
      for (const process of processes) {
        if (random() > 0.05) {
          clock.after(0.3 + random(), () => void (process.dead || process.limits.pushed(message)))
        }
      }
    }
    this.#subscriber.on('message', onMessage)
    await this.#subscriber.subscribe(channel)

    const uses: number[] = []
    let calls = 0
    let alone = 0
    const one = (process: SimulatedProcess): void => {
      calls += 1
      const limiter = process.limits.store.limiter(key, policy)
      const background = random() < 0.1
      const go = (): void => {
        if (process.dead) return
        if (limiter.limits[0]!.degraded) alone += 1
        uses.push(clock.now() + random() * 20)
      }
      if (limiter.passes(limiter.ones, clock.now(), background)) return go()
      limiter.join({
        inLine: false,
        previousInLine: undefined,
        nextInLine: undefined,
        units: limiter.ones,
        background,
        waitsUntil: Infinity,
        release: go,
        refuse: () => undefined,
      })
    }
    const weights = processes.reduce((sum, { weight }) => sum + weight, 0)
    processes.forEach((first, at) => {
      const perMs = ((limit / intervalMs) * demand * first.weight) / weights
      const next = (): void => {
        let wait = -Math.log(1 - random()) / perMs
        if (random() < 0.02) wait += intervalMs * random()
        clock.after(wait, () => {
          const burst = random() < 0.03 ? Math.ceil((random() * limit) / 3) : 1
          for (let index = 0; index < burst; index++) one(processes[at]!)
          next()
        })
      }
      next()
      if (crash) {
        const die = (): void => {
          clock.after(intervalMs * (1 + random() * 4), () => {
            processes[at]!.dead = true
            processes[at] = make(first.weight)
            die()
          })
        }
        die()
      }
    })
    if (isWiped) {
      clock.after((endsAt - clock.now()) / 2, () => {
        const wiping = this.#redis.flushall()
        real.add(wiping)
        void wiping.finally(() => real.delete(wiping))
      })
    }
    while (clock.now() < endsAt && clock.step()) {
      while (real.size > 0) await Promise.all(real)
      await settled()
    }
    for (const process of processes) process.dead = true
    this.#subscriber.off('message', onMessage)
    await this.#subscriber.unsubscribe(channel)
    await this.#redis.flushall()

    uses.sort((a, b) => a - b)
    let worst = 0
    let from = 0
    for (const [at, used] of uses.entries()) {
      while (used - uses[from]! >= intervalMs) from += 1
      worst = Math.max(worst, at - from + 1)
    }
    const firstEnd = 1_000 + intervalMs
    const permitted = (limit * (endsAt - firstEnd)) / intervalMs
    const share = uses.filter((used) => used >= firstEnd && used < endsAt).length / permitted
    return {
      seed,
      limit,
      intervalMs,
      processes: count,
      lost,
      crash,
      wipe: isWiped,
      worst,
      share: Math.round(share * 1_000) / 1_000,
      exchangesPerCall: Math.round((exchanges / Math.max(1, calls)) * 100) / 100,
      alone,
      calls,
    }
  }
}
