import type { CallRequest } from '../call/call-request.ts'
import type { ResponseOutcome } from '../http/outcome.ts'
import { SlidingWindow } from './sliding-window.ts'

/** What a call costs of a limit: asked before the attempt, and again when the headers of its answer are there. */
export type Cost = (request: CallRequest, answer?: Pick<ResponseOutcome, 'statusCode' | 'headers'>) => number

/** One limit of a key, as the options make it. */
export interface LimitRule {
  /** Units per interval. */
  readonly limit: number
  readonly intervalMs: number
  /** The interval and its margin: how long a unit counts here. */
  readonly windowMs: number
  /** Units that background calls leave for live ones. */
  readonly reserved: number
  /** `undefined`: one unit for each attempt. */
  readonly cost: Cost | undefined
}

/** A limit as this process sees it. */
export interface LimitState {
  readonly limit: number
  readonly intervalMs: number
  /** Units used in the window: of all processes as far as this one knows, of this one alone when `degraded`. */
  readonly used: number
  /** Permits that this process holds ahead of use. */
  readonly held: number
}

/** Units that calls in a line wait for. */
export interface Wanted {
  readonly all: number
  readonly first: number
}

/**
 * One limit of a key in this process. The limiter asks all limits of its key whether a call fits, and only then takes its
 * units from each.
 */
export interface Limit {
  readonly rule: LimitRule
  /**
   * Whether a call may go now. One that costs nothing of the limit may, always.
   * @param lined calls wait: what comes free in a lump is not let go in a lump
   */
  fits(units: number, now: number, lined: boolean, background: boolean): boolean
  /** Takes what fits. */
  take(units: number, now: number, background: boolean): void
  /** Units that were taken at `at` and surely not used: nothing was sent. */
  giveBack(units: number, at: number, now: number): void
  /** Units that were used without a permit, or beyond what was taken. */
  charge(units: number, now: number): void
  /** The provider counts so many units in its own window: strangers use the same limit. */
  hearUsed(units: number, now: number): void
  /** How long `units`, those of calls ahead included, have to wait at least, in milliseconds, as far as is known. */
  knownWait(units: number, now: number): number
  /** When it is worth another look for the first in line; Infinity where the limit says so itself. */
  retryAt(units: number, now: number, background: boolean): number
  /**
   * Calls wait for so many units, all together and the first alone: live ones, and background ones. Told whenever that
   * may have changed.
   */
  want(live: Wanted, background: Wanted): void
  /** Units that could be taken now. */
  available(now: number): number
  state(now: number): LimitState
  /** Whether one that is made anew is worth the same: it knows of no use that nobody else knows. */
  forgettable(now: number): boolean
  /** The store is out of reach: this process goes on with its share. Always false for a limit of its own. */
  readonly degraded: boolean
  /** Processes that use the limit, as far as is known. */
  readonly processes: number
  close(): void
}

/** Of a limit, what goes within a tenth of its window while calls wait. */
const PACE = 0.2

/** A limit that no other process knows of. */
export class LocalLimit implements Limit {
  readonly rule: LimitRule
  readonly degraded = false
  readonly processes = 1
  readonly #window: SlidingWindow

  constructor(rule: LimitRule) {
    this.rule = rule
    this.#window = new SlidingWindow(rule.windowMs)
  }

  fits(units: number, now: number, lined: boolean, background: boolean): boolean {
    if (units === 0) return true
    const { limit, reserved } = this.rule
    const free = limit - this.#window.used(now) - (background ? reserved : 0)
    if (units > free) return false
    return !lined || this.#paceExcess(units, now) <= 0
  }

  take(units: number, now: number): void {
    this.#window.add(units, now)
  }

  giveBack(units: number, at: number, now: number): void {
    this.#window.remove(units, at, now)
  }

  charge(units: number, now: number): void {
    this.#window.add(units, now)
  }

  hearUsed(units: number, now: number): void {
    const strangers = units - this.#window.used(now)
    if (strangers > 0) this.#window.add(strangers, now)
  }

  knownWait(units: number, now: number): number {
    return this.#freeAt(units, now, 0) - now
  }

  retryAt(units: number, now: number, background: boolean): number {
    if (units === 0) return now
    const excess = this.#paceExcess(units, now)
    const paced = excess > 0 ? this.#window.leaveTenth(excess, now) : now
    return Math.max(paced, this.#freeAt(units, now, background ? this.rule.reserved : 0))
  }

  want(): void {}

  available(now: number): number {
    return Math.max(0, this.rule.limit - this.#window.used(now))
  }

  state(now: number): LimitState {
    const { limit, intervalMs } = this.rule
    const used = this.#window.used(now)
    return { limit, intervalMs, used, held: Math.max(0, limit - used) }
  }

  forgettable(now: number): boolean {
    return this.#window.used(now) === 0
  }

  close(): void {}

  /** Units that must leave the last tenth first; a call that is larger than a tenth's share goes when there is none. */
  #paceExcess(units: number, now: number): number {
    const lately = this.#window.usedLately(now)
    return Math.min(lately, lately + units - Math.ceil(this.rule.limit * PACE))
  }

  #freeAt(units: number, now: number, reserved: number): number {
    if (units === 0) return now
    const { limit, windowMs } = this.rule
    const missing = this.#window.used(now) + units + reserved - limit
    if (missing <= 0) return now
    // what is ahead in line fills whole windows
    const windows = Math.floor((missing - 1) / limit)
    return windows * windowMs + Math.min(this.#window.leave(missing - windows * limit, now), now + windowMs)
  }
}
