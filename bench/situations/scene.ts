import { seeded } from '../../test/support/simulation/random.ts'
import { VirtualClock } from '../../test/support/simulation/virtual-clock.ts'
import { type ClientName, type Ended, type Provider, SimulatedClient } from './client.ts'

/** A time in which a process calls a provider. */
export interface Scene {
  readonly client: SimulatedClient
  readonly clock: VirtualClock
  readonly random: () => number
}

interface Play {
  readonly client: ClientName
  readonly seed: number
  /** Calls per second, as they come by chance (Poisson). */
  readonly perSecond: number
  readonly forMs: number
  /** What the provider makes of an attempt at a moment. */
  readonly provider: (scene: Scene) => Provider
  /** Ends the play sooner. */
  readonly until?: (scene: Scene) => boolean
}

/** Plays it to its end, and lets every call come to its own. */
export function play({ client: name, seed, perSecond, forMs, provider, until }: Play): Scene {
  const random = seeded(seed)
  const clock = new VirtualClock(0, random)
  const scene: Scene = { client: new SimulatedClient(name, clock, random), clock, random }
  const answers = provider(scene)
  const next = (): void => {
    const wait = (-Math.log(1 - random()) * 1_000) / perSecond
    if (clock.now() + wait > forMs) return
    clock.after(wait, () => {
      scene.client.call(answers)
      next()
    })
  }
  next()
  while (until?.(scene) !== true && clock.step());
  return scene
}

/** 20 to 50 ms. */
const usual = ({ random }: Scene): number => 20 + random() * 30

/** Fails a share of the attempts, with a 503 after the usual time. */
export const failing =
  (share: number) =>
  (scene: Scene): Provider =>
  (done) =>
    done({ ok: scene.random() >= share, afterMs: usual(scene) })

type Failure = 'refused' | '503' | 'hang'

/** Is down from one moment to another. */
export const down =
  (fromMs: number, toMs: number, how: Failure) =>
  (scene: Scene): Provider =>
  (done) => {
    const now = scene.clock.now()
    const isDown = now >= fromMs && now < toMs
    if (!isDown) done({ ok: true, afterMs: usual(scene) })
    // a hang ends with an attempt timeout of 2 s
    else done({ ok: false, afterMs: { refused: 1, '503': usual(scene), hang: 2_000 }[how] })
  }

/**
 * Works off what comes, one after the other, at most `perSecond`; is down from one moment to another. Whoever waits
 * longer than 2 s has gone, and the work for it is done all the same: an overload that feeds itself.
 */
export const limited =
  (perSecond: number, fromMs: number, toMs: number) =>
  (scene: Scene): Provider => {
    let freeAt = 0
    return (done) => {
      const now = scene.clock.now()
      if (now >= fromMs && now < toMs) {
        done({ ok: false, afterMs: 1 })
        return
      }
      freeAt = Math.max(freeAt, now) + 1_000 / perSecond
      const afterMs = freeAt - now + usual(scene)
      done({ ok: afterMs <= 2_000, afterMs: Math.min(afterMs, 2_000) })
    }
  }

/** Three pods, restarted one after the other for half a second each: what is under way on one breaks, the rest serves. */
export const rolling =
  (fromMs: number, everyMs: number) =>
  (scene: Scene): Provider =>
  (done) => {
    const now = scene.clock.now()
    const afterMs = usual(scene)
    const pod = Math.floor(scene.random() * 3)
    const stops = fromMs + pod * everyMs
    // a new connection goes to a pod that is there
    const breaks = now < stops && now + afterMs >= stops
    done(breaks ? { ok: false, afterMs: stops - now } : { ok: true, afterMs })
  }

export const within = ({ client }: Scene, fromMs: number, toMs: number): Ended[] =>
  client.ended.filter(({ startedAt }) => startedAt >= fromMs && startedAt < toMs)

export const lost = (ended: readonly Ended[]): number => ended.filter(({ ok }) => !ok).length

export const served = (ended: readonly Ended[]): number => 1 - lost(ended) / Math.max(1, ended.length)

/** The most attempts that began within some `ms`, per second. */
export function worst(times: readonly number[], ms: number): number {
  let most = 0
  for (let from = 0, to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= ms) from++
    most = Math.max(most, to - from + 1)
  }
  return (most * 1_000) / ms
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}
