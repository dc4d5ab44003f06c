import { AsyncResource } from 'node:async_hooks'
import { scopeOf, spelledKey } from '../http/url/scope.ts'
import { durationOption, stringOption } from '../options.ts'
import { channels, type CooldownStartedEvent } from '../telemetry/channels.ts'
import { type Scheduler, systemScheduler } from '../time/clock.ts'
import { type Limit, LocalLimit, type LimitRule } from './limit.ts'
import { Limiter } from './limiter.ts'
import { Place } from './place.ts'
import type { Cooldown, LimiterPolicy, LimitSnapshot, LimitStore } from './store.ts'

/** Keys and origins kept per process and store; of more, those that hold nothing back go. */
const MAX_KEYS = 1_000
/** Keys kept that hold calls back or whose use counts; of more, those go for which calls would wait the shortest. */
const MAX_NEEDED_KEYS = 10_000
/** So many go at a time, of the one kind and of the other: to look through all for each new key would take too long. */
const IDLE_AT_A_TIME = 100
const NEEDED_AT_A_TIME = 1_000
/** How often it is looked for cool-downs that are long over, where there are any, in milliseconds. */
const SWEEP_MS = 1_000

/** What makes limits shared: told of what happens here, and asked for the limits of a key. */
export interface LimitLink {
  makeLimit(key: string, rule: LimitRule, limiter: Limiter, policy: LimiterPolicy): Limit
  cooled(key: string, ms: number): void
  cleared(key: string): void
  flush(): Promise<void>
  close(): Promise<void>
}

/** A key without limits has a line all the same, while it cools down. */
const coolingAlone: LimiterPolicy = { limits: [], maxQueue: 1_000, processes: 1 }

/** The limiters of one store in this process: of this process alone, or linked to those of others. */
export class LimitRegistry implements LimitStore {
  /** Its timers have no call's async context. */
  readonly scheduler: Scheduler
  readonly #link: LimitLink | undefined
  readonly #limiters = new Map<string, Limiter>()
  readonly #places = new Map<string, Place>()
  readonly #listeners = new Set<(event: CooldownStartedEvent) => void>()
  #lastPlace = new Place('')
  #sweepAt = 0
  /** With more keys than this, or from then on, it is looked again for some that may go. */
  #lookAbove = MAX_KEYS
  #lookAt = 0

  constructor(scheduler: Scheduler = systemScheduler, link?: LimitLink) {
    this.scheduler = withoutContext(scheduler)
    this.#link = link
  }

  get quiet(): boolean {
    return this.#limiters.size === 0
  }

  place(scope: string): Place {
    return this.#lastPlace.scope === scope ? this.#lastPlace : this.#placeOf(scope)
  }

  limiter(key: string, policy: LimiterPolicy): Limiter {
    const known = this.#limiters.get(key)
    if (known === undefined || (known.limits.length === 0 && policy.limits.length > 0)) {
      const made = this.#make(key, policy)
      // one that was made for a cool-down alone gives way
      if (known !== undefined) made.cool(known.coolUntil, 0)
      return made
    }
    return known
  }

  cooling(key: string): Limiter | undefined {
    const now = this.scheduler.now()
    this.#sweep(now)
    const known = this.#limiters.get(key)
    if (known !== undefined) return known
    return this.#coolOfOrigin(key) > now ? this.#make(key, coolingAlone) : undefined
  }

  cooled(cooldown: Cooldown, place: Place, policy: LimiterPolicy): void {
    const perSecond = place.perSecond(this.scheduler.now())
    this.#cool(cooldown, perSecond, policy, true)
    this.#link?.cooled(cooldown.key, cooldown.ms)
  }

  /** Another process heard it. */
  heardCooldown(key: string, ms: number): void {
    const place = this.#places.get(scopeOf(key))
    this.#cool({ key, ms }, place?.perSecond(this.scheduler.now()) ?? 0, coolingAlone, false)
  }

  heardClear(key: string): void {
    for (const limiter of this.#under(key)) limiter.warm()
  }

  state(text: string): LimitSnapshot {
    const key = this.#named(text)
    const limiter = this.#limiters.get(key)
    if (limiter !== undefined) return this.#snapshot(limiter)
    return { key, used: 0, held: 0, limits: [], waiting: 0, retryAfterMs: 0, degraded: false, processes: 1 }
  }

  list(): LimitSnapshot[] {
    return Array.from(this.#limiters.values(), (limiter) => this.#snapshot(limiter))
  }

  cool(text: string, ms: number): Promise<void> {
    const key = this.#named(stringOption('key', text))
    durationOption('ms', ms, 1)
    this.#cool({ key, ms }, 0, coolingAlone, true)
    this.#link?.cooled(key, ms)
    return this.flush()
  }

  clear(text: string): Promise<void> {
    const key = this.#named(stringOption('key', text))
    this.heardClear(key)
    this.#link?.cleared(key)
    return this.flush()
  }

  onCooldown(listener: (event: CooldownStartedEvent) => void): () => void {
    // its own function, so that one listener can be given twice
    const own = (event: CooldownStartedEvent): void => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  flush(): Promise<void> {
    return this.#link?.flush() ?? Promise.resolve()
  }

  async close(): Promise<void> {
    await this.#link?.close()
    for (const limiter of this.#limiters.values()) limiter.close()
  }

  /** An operator may spell an origin in another way than calls do. */
  #named(text: string): string {
    return this.#limiters.has(text) ? text : spelledKey(text)
  }

  #placeOf(scope: string): Place {
    let place = this.#places.get(scope)
    if (place === undefined) {
      place = new Place(scope)
      for (const { key } of this.#limiters.values()) {
        if (key === scope || scopeOf(key) === scope) place.held += 1
      }
      this.#places.set(scope, place)
      this.#forgetPlaces(place)
    }
    this.#lastPlace = place
    return place
  }

  #cool({ key, ms, statusCode }: Cooldown, perSecond: number, policy: LimiterPolicy, here: boolean): void {
    const now = this.scheduler.now()
    const limiter = this.#limiters.get(key) ?? this.#make(key, policy)
    const isNew = now >= limiter.coolUntil
    for (const one of this.#under(key)) one.cool(now + ms, perSecond)
    if (isNew) this.#tell({ key, retryAfterMs: ms, statusCode, here })
  }

  #tell(event: CooldownStartedEvent): void {
    if (channels.cooldownStarted.hasSubscribers) channels.cooldownStarted.publish(event)
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        process.emitWarning(`a listener of limits.onCooldown threw: ${String(error)}`, 'ResilienceWarning')
      }
    }
  }

  #make(key: string, policy: LimiterPolicy): Limiter {
    const makeLimits = (limiter: Limiter): Limit[] =>
      policy.limits.map((rule) => this.#link?.makeLimit(key, rule, limiter, policy) ?? new LocalLimit(rule))
    const limiter = new Limiter(key, makeLimits, policy.maxQueue, this.scheduler)
    const now = this.scheduler.now()
    const coolUntil = this.#coolOfOrigin(key)
    if (coolUntil > now) limiter.cool(coolUntil, 0)
    if (!this.#limiters.has(key)) {
      for (const place of this.#placesOf(key)) place.held += 1
    }
    this.#limiters.set(key, limiter)
    this.#forgetLimiters(limiter, now)
    return limiter
  }

  /** The limiters of a key, and where it is that of an origin, of all credentials used there. */
  *#under(key: string): Generator<Limiter> {
    for (const limiter of this.#limiters.values()) {
      if (limiter.key === key || scopeOf(limiter.key) === key) yield limiter
    }
  }

  /** When a cool-down of the whole origin ends. */
  #coolOfOrigin(key: string): number {
    const scope = scopeOf(key)
    return scope === key ? 0 : (this.#limiters.get(scope)?.coolUntil ?? 0)
  }

  #snapshot(limiter: Limiter): LimitSnapshot {
    const now = this.scheduler.now()
    const { key, limits, waiting, coolUntil } = limiter
    const all = limits.map((limit) => limit.state(now))
    const nearest = all.toSorted((a, b) => b.used / b.limit - a.used / a.limit)[0]
    return {
      key,
      ...(nearest === undefined ? {} : { limit: nearest.limit }),
      used: nearest?.used ?? 0,
      held: nearest?.held ?? 0,
      limits: all,
      waiting,
      retryAfterMs: Math.ceil(
        limiter.knownWait(
          limits.map(() => 1),
          now,
        ).ms,
      ),
      ...(coolUntil > now ? { coolUntil: Math.ceil(Date.now() + coolUntil - now) } : {}),
      degraded: limits.some(({ degraded }) => degraded),
      processes: Math.max(1, ...limits.map(({ processes }) => processes)),
    }
  }

  /** Lets go what holds nothing back any more: then calls there go unasked again. */
  #sweep(now: number): void {
    if (now < this.#sweepAt) return
    this.#sweepAt = now + SWEEP_MS
    for (const limiter of this.#limiters.values()) {
      if (!limiter.holds(now)) this.#drop(limiter)
    }
  }

  /** That of its origin, and where a hook made the key, whatever is in it, that of the key. */
  *#placesOf(key: string): Generator<Place> {
    const scope = scopeOf(key)
    for (const one of scope === key ? [key] : [scope, key]) {
      const place = this.#places.get(one)
      if (place !== undefined) yield place
    }
  }

  #drop(limiter: Limiter): void {
    this.#limiters.delete(limiter.key)
    limiter.close()
    for (const place of this.#placesOf(limiter.key)) place.held -= 1
  }

  #forgetPlaces(newest: Place): void {
    if (this.#places.size <= MAX_KEYS) return
    for (const place of this.#places.values()) {
      if (place.held > 0 || place === newest) continue
      this.#places.delete(place.scope)
      if (this.#places.size <= MAX_KEYS) return
    }
  }

  #forgetLimiters(newest: Limiter, now: number): void {
    const all = this.#limiters
    if (all.size <= MAX_KEYS || (all.size <= this.#lookAbove && now < this.#lookAt)) return
    for (const one of all.values()) {
      if (one !== newest && one.forgettable(now)) this.#drop(one)
      if (all.size <= MAX_KEYS - IDLE_AT_A_TIME) break
    }
    if (all.size > MAX_NEEDED_KEYS) {
      const inUse = [...all.values()].filter((one) => one !== newest && one.waiting === 0)
      const byWait = inUse.map((one) => ({ one, ms: waitOf(one, now) })).sort((a, b) => a.ms - b.ms)
      for (const { one } of byWait.slice(0, NEEDED_AT_A_TIME)) this.#drop(one)
    }
    this.#lookAbove = Math.max(MAX_KEYS, Math.floor(all.size * 1.1))
    this.#lookAt = now + SWEEP_MS
  }
}

/** How long its next call would wait, in milliseconds; where it would not, how much of a limit is used decides. */
function waitOf(limiter: Limiter, now: number): number {
  const used = limiter.limits.map((limit) => limit.state(now)).map((state) => state.used / state.limit)
  return limiter.knownWait(limiter.ones, now).ms + Math.max(0, ...used)
}

/** Timers of all calls must not keep the async context of the one that set them. */
function withoutContext(scheduler: Scheduler): Scheduler {
  const root = new AsyncResource('undici-resilience.limits', { requireManualDestroy: true })
  return {
    now: () => scheduler.now(),
    random: () => scheduler.random(),
    after: (ms, task, options) => root.runInAsyncScope(() => scheduler.after(ms, task, options)),
  }
}
