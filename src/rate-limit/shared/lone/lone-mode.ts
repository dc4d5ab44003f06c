import type { LimitRule } from '../../limit.ts'
import type { SlidingWindow } from '../../sliding-window.ts'
import { type LastHeard, LoneShare } from './lone-share.ts'

/** A process that was not heard of for so long is gone, in milliseconds. */
const FORGET_PROCESSES_MS = 60_000

/**
 * What a limit goes on with while the store says nothing, or grants nothing: an even share of it, less this process's
 * part of what was used before.
 */
export class LoneMode {
  /** `undefined` while the store grants permits. */
  share: LoneShare | undefined
  readonly #rule: LimitRule
  /** What this process used. */
  readonly #history: SlidingWindow
  #lastHeard: LastHeard
  #most = 1
  #mostAt = -Infinity
  /** It never heard from the store. */
  #isNewcomer = true

  /** @param processes that share the limit, before the store has ever said */
  constructor(rule: LimitRule, history: SlidingWindow, processes: number, now: number) {
    this.#rule = rule
    this.#history = history
    this.#lastHeard = { at: now, processes, profile: [] }
  }

  get processes(): number {
    return this.#lastHeard.processes
  }

  /** The store is out of reach. */
  begin(now: number): void {
    this.share = this.#shareOf(this.#lastHeard, now)
  }

  /** The store grants permits again. */
  end(heard: LastHeard, now: number): void {
    this.share = undefined
    this.#isNewcomer = false
    this.#lastHeard = heard
    // one that is idle for a while counts again as soon as it wakes up: without the store nobody would hear of it
    if (heard.processes < this.#most && now - this.#mostAt < FORGET_PROCESSES_MS) return
    this.#most = heard.processes
    this.#mostAt = now
  }

  /** The store has lost what it knew, and grants nothing until all have told theirs: whichever leaves less. */
  held(heard: LastHeard, now: number): void {
    this.share ??= this.#shareOf(this.#isNewcomer ? this.#allUsed(heard) : this.#lastHeard, now)
    const told = this.#shareOf(heard, now)
    if (told.free(now) < this.share.free(now)) this.share = told
  }

  #shareOf(heard: LastHeard, now: number): LoneShare {
    const processes = Math.max(heard.processes, this.#most)
    return new LoneShare(this.#rule, { ...heard, processes }, this.#history, now)
  }

  /** What went before a newcomer is unknown: its share begins with none to use at once, and fills with time. */
  #allUsed({ at, processes }: LastHeard): LastHeard {
    const profile = Array.from({ length: 10 }, () => this.#rule.limit / 10)
    return { at, processes: Math.max(processes, this.#lastHeard.processes), profile }
  }
}
