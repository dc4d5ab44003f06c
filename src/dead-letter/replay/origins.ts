import type { Scheduler } from '../../time/clock.ts'
import type { DeadLetter, DeadLetterReplay } from '../record/record.ts'
import { type ReplayPolicy, replayDelay } from './entry/decision.ts'
import type { OriginWord } from './entry/judgement.ts'

/** So many failures in a row, with no other answer between them, and an origin counts as down. */
const DOWN_AFTER = 3

/** The longest that an origin which is down is left alone between two requests, in milliseconds. */
const MAX_OUTAGE_WAIT_MS = 300_000

/** Why an origin is left alone for now. */
export type LeftAloneReason = 'outage' | 'rate-limited' | 'credentials' | 'circuit-open' | 'not-sent'

/** An origin to which nothing more is sent for now. */
export interface LeftAlone {
  readonly origin: string
  readonly reason: LeftAloneReason
  /** In words. */
  readonly message: string
  /** For how long, in milliseconds. */
  readonly afterMs: number
}

/** The same, and what of it the provider has asked for. */
export interface OriginHold extends LeftAlone {
  /** 0 where it has asked for nothing. */
  readonly askedMs: number
}

interface Hold {
  /** On the steady clock, milliseconds. */
  readonly until: number
  /** What of it the provider has asked for; `-Infinity` for nothing. */
  readonly askedUntil: number
  readonly reason: LeftAloneReason
  readonly message: string
}

interface OriginState {
  /** Failures in a row since it last gave another answer. */
  failures: number
  /** How often in a row it was left alone, with no other answer between: its next request goes alone. */
  rounds: number
  /** When it last took or refused an entry, epoch milliseconds. */
  answeredAt: number
  hold: Hold | undefined
}

/**
 * What the replays of this process know of the origins they send to: which are down, which want to be asked later. All
 * waits are on the steady clock.
 */
export class ReplayOrigins {
  readonly #clock: Scheduler
  readonly #states = new Map<string, OriginState>()

  constructor(clock: Scheduler) {
    this.#clock = clock
  }

  /** Whether it was left alone and has not given another answer since: only one request at a time goes to find out. */
  isSuspect(origin: string): boolean {
    return this.#rounds(origin) > 0
  }

  #rounds(origin: string): number {
    return this.#states.get(origin)?.rounds ?? 0
  }

  /** Until when nothing may be sent to it, and why; `undefined` when something may. */
  leftAlone(origin: string): OriginHold | undefined {
    const hold = this.#states.get(origin)?.hold
    const now = this.#clock.now()
    if (hold === undefined || hold.until <= now) return undefined
    const { until, askedUntil, reason, message } = hold
    return { origin, reason, message, afterMs: until - now, askedMs: Math.max(0, askedUntil - now) }
  }

  /** A person, or a program at its own time, asks now: waits of our own are over, those of the provider are not. */
  forgetOwnWaits(origins: readonly string[]): void {
    for (const origin of origins) {
      const state = this.#states.get(origin)
      if (state?.hold !== undefined) state.hold = { ...state.hold, until: state.hold.askedUntil }
    }
  }

  /** Whether a failure is the entry's own: it has failed before, and the origin has taken or refused others since. */
  isOwnFailure({ replays }: DeadLetter, origin: string): boolean {
    const state = this.#states.get(origin)
    const before = replays.findLast(isFailure)
    return state?.failures === 0 && before !== undefined && state.answeredAt > before.at
  }

  /** How long an entry for this origin waits that fails now with it, in milliseconds: it grows with each time. */
  outageWaitMs(origin: string, { replays }: DeadLetter, policy: ReplayPolicy): number {
    return this.#wait(Math.max(this.#rounds(origin), replays.length), policy)
  }

  #wait(rounds: number, policy: ReplayPolicy): number {
    const longest = Math.max(MAX_OUTAGE_WAIT_MS, policy.initialBackoffMs)
    const maxBackoffMs = Math.min(policy.maxBackoffMs, longest)
    return replayDelay({ ...policy, maxBackoffMs }, rounds, this.#clock.random())
  }

  /** Takes in what an outcome says of its origin. Returns whether the origin's turn is over. */
  hear(origin: string, word: OriginWord, message: string, policy: ReplayPolicy): boolean {
    if (word.says === 'nothing') return false
    const state = this.#state(origin)
    switch (word.says) {
      case 'up': {
        state.failures = 0
        state.rounds = 0
        state.answeredAt = Date.now()
        // what it asked for before still holds
        if (state.hold !== undefined) state.hold = { ...state.hold, until: state.hold.askedUntil }
        return false
      }
      case 'down': {
        state.failures++
        if (word.askedMs === undefined && state.failures < DOWN_AFTER && state.rounds === 0) return false
        // at first exactly as long as it asks for; one that asks for a second each time, and stays down, is not believed
        const own = word.askedMs !== undefined && state.rounds === 0 ? 0 : this.#wait(state.rounds, policy)
        this.#leave(state, 'outage', message, own, word.askedMs)
        return true
      }
      case 'wait':
        state.failures = 0
        this.#leave(
          state,
          'rate-limited',
          message,
          word.askedMs === undefined ? this.#wait(state.rounds, policy) : 0,
          word.askedMs,
        )
        // the provider says when: no need to find out with one request
        if (word.askedMs !== undefined) state.rounds = 0
        return true
      case 'no': {
        if (word.reason === 'credentials') state.failures = 0
        const waitMs = word.reason === 'credentials' ? this.#wait(state.rounds, policy) : word.waitMs
        this.#leave(state, word.reason, message, waitMs, undefined)
        return true
      }
    }
  }

  #state(origin: string): OriginState {
    let state = this.#states.get(origin)
    if (state === undefined) {
      state = { failures: 0, rounds: 0, answeredAt: -Infinity, hold: undefined }
      this.#states.set(origin, state)
    }
    return state
  }

  #leave(
    state: OriginState,
    reason: LeftAloneReason,
    message: string,
    ownMs: number,
    askedMs: number | undefined,
  ): void {
    const now = this.#clock.now()
    const before = state.hold !== undefined && state.hold.until > now ? state.hold : undefined
    const askedUntil = Math.max(
      askedMs === undefined ? -Infinity : now + askedMs,
      before?.askedUntil ?? -Infinity,
    )
    if (before === undefined) {
      state.rounds++
      state.hold = { until: Math.max(now + ownMs, askedUntil), askedUntil, reason, message }
      return
    }
    // several requests that were on their way together fail together: that is one round, and one wait of our own
    if (askedUntil > before.askedUntil) {
      state.hold = { until: Math.max(before.until, askedUntil), askedUntil, reason, message }
    }
  }
}

/** A replay that found the origin down, as far as it is known: no answer, or one of a server that failed. */
function isFailure({ outcome, statusCode }: DeadLetterReplay): boolean {
  return outcome === 'failed' && (statusCode === undefined || statusCode >= 500)
}
