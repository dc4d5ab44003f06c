import type { CooldownStartedEvent } from '../telemetry/channels.ts'
import type { LimitRule, LimitState } from './limit.ts'
import type { Limiter } from './limiter.ts'
import type { Place } from './place.ts'

/** The limits of a key as this process sees them now. */
export interface LimitSnapshot {
  /** By default the origin, and behind `#` a hash of the request's credentials. */
  readonly key: string
  /** Units per interval of the limit that is nearest to its end; `undefined` where only cool-downs are known. */
  readonly limit?: number
  /** Units used of it: of all processes as far as this one knows, of this one alone when `degraded`. */
  readonly used: number
  /** Permits of it that this process holds ahead of use. */
  readonly held: number
  /** All limits of the key. */
  readonly limits: readonly LimitState[]
  /** Calls of this process in line. */
  readonly waiting: number
  /** Milliseconds until a call that comes now may go, as far as is known; 0: at once. */
  readonly retryAfterMs: number
  /** The end of a cool-down, epoch milliseconds by this process's clock; absent where there is none. */
  readonly coolUntil?: number
  /** The shared store is out of reach: this process goes on with its share. Always false in memory. */
  readonly degraded: boolean
  /** Processes that use the limit, as far as is known. */
  readonly processes: number
}

/** The operator's view of the limits: `stack.limits`. */
export interface Limits {
  /**
   * The key's limits and cool-down, at once and without I/O.
   * @example
   * if (stack.limits.state('https://api.example.com').retryAfterMs > 0) pauseImport()
   */
  state(key: string): LimitSnapshot
  /** The keys whose limits this process has used, or that cool down. */
  list(): LimitSnapshot[]
  /**
   * Lets no call of the key go for so long, in all processes that share the store; a longer cool-down stays. The key of
   * an origin stands for all credentials used there. Holds in this process when it returns. It never rejects: with the
   * store out of reach it holds here alone.
   * @param ms milliseconds, at least 1
   * @throws RangeError, TypeError naming the bound
   */
  cool(key: string, ms: number): Promise<void>
  /** Ends a cool-down, in all processes that share the store; the rest as with `cool`. */
  clear(key: string): Promise<void>
}

/** What makes a limiter of a key that is new. */
export interface LimiterPolicy {
  readonly limits: readonly LimitRule[]
  readonly maxQueue: number
  /** Processes that share the limits, before the store has ever said. */
  readonly processes: number
}

/** What a provider asked for. */
export interface Cooldown {
  readonly key: string
  readonly ms: number
  readonly statusCode?: number | undefined
}

/** A cool-down as a store keeps it for all processes. */
export interface StoredCooldown {
  /** The key, or what it is called in the store where its characters cannot be held there. */
  readonly key: string
  /** What is left of it, in milliseconds. */
  readonly retryAfterMs: number
}

/** A limit as a store keeps it for all processes. */
export interface StoredLimit {
  /** The key, or what it is called in the store where its characters cannot be held there. */
  readonly key: string
  /** Which limit of the key: its interval in milliseconds, and `c` behind it where calls cost more than one unit. */
  readonly name: string
  /** Units per interval. */
  readonly limit: number
  /** The interval and its margin, in milliseconds: how long a unit counts. */
  readonly windowMs: number
  /** Units used in the window, as far as they were reported. */
  readonly used: number
  /** Permits that processes hold ahead of use. */
  readonly held: number
  /** Units that calls wait for, in all processes. */
  readonly waiting: number
  readonly processes: number
  /** For how long nothing is granted, since the store had lost what it knew, in milliseconds; else 0. */
  readonly holdMs: number
}

/** The limits and cool-downs of all processes that share a store: to look at them and to change them from outside. */
export interface LimitDirectory {
  /** @throws {Error} when the store does not answer, as all of these */
  list(): Promise<StoredCooldown[]>
  /** The limits that were used of late, by key and name. */
  limits(): Promise<StoredLimit[]>
  /** Lets no call of the key go for so long, in all processes. Resolves to what is left: a longer cool-down stays. */
  cool(key: string, ms: number): Promise<number>
  clear(key: string): Promise<void>
}

/**
 * Port: where limits and cool-downs are remembered. It guarantees
 * - one `Limiter` per key and process, as long as the key is in use;
 * - no promise, no I/O and no timer for a call that gets its permit at once;
 * - each cool-down told exactly once per process, on `channels.cooldownStarted` and to the listeners;
 * - that no error of the store reaches a call, and that none waits for it longer than for any permit.
 *
 * Limits of equal keys are shared by all stacks of the store, and keep the options of the stack that used the key first.
 */
export interface LimitStore extends Limits {
  /** No key has anything that could hold a call back: nothing more need be asked. */
  readonly quiet: boolean
  /** What is remembered of an origin, or of the key that a hook made. */
  place(scope: string): Place
  /** The limiter of a key; made when it is new. */
  limiter(key: string, policy: LimiterPolicy): Limiter
  /** The limiter of a key without limits, where a cool-down, or the ramp after it, holds its calls back. */
  cooling(key: string): Limiter | undefined
  /** The provider wants to be left alone. */
  cooled(cooldown: Cooldown, place: Place, policy: LimiterPolicy): void
  /** Tells a listener of each cool-down that this process hears of. Returns what ends it. */
  onCooldown(listener: (event: CooldownStartedEvent) => void): () => void
  /** The cool-downs of all processes. Absent where limits are those of this process alone. */
  readonly directory?: LimitDirectory | undefined
  /** Hands on to the other processes what was used and not yet reported. Never rejects. */
  flush(): Promise<void>
  /** Flushes, and releases timers and connections. */
  close(): Promise<void>
}
