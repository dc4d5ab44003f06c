import type { Dispatcher } from 'undici'
import type { Verdict } from '../http/outcome.ts'
import { steadyNow } from '../time/clock.ts'
import { attemptDone } from './call-events.ts'
import type { Call } from './call.ts'

export const attemptKey: unique symbol = Symbol('undici-resilience.attempt')

/** Dispatch options that carry the attempt, and with it the call. */
export type AttemptOptions = Dispatcher.DispatchOptions & { [attemptKey]?: Attempt }

/**
 * One dispatch of a call: what the layers under retry share about it. An attempt that is given up keeps its own facts,
 * so that what it still has to say cannot be taken for the next one's; two of one call may be in flight.
 */
export class Attempt {
  readonly call: Call
  /** The first is 1. */
  readonly number: number
  /** Monotonic start, `performance.now()` milliseconds. */
  startedAt: number
  /** It has not left the turn of the event loop in which `startedAt` was read. */
  fresh = true
  /** A connection has taken it up: an error before that was surely not sent. */
  started = false
  /** What the `classify` hook said of its response. */
  verdict: Verdict | undefined = undefined
  /** The status of its final response. */
  statusCode: number | undefined = undefined
  /** Its end was published. */
  told = false
  /** What an interceptor or the dispatcher threw at once: it says nothing of the server. */
  thrown: unknown = undefined

  constructor(call: Call, number: number, startedAt: number) {
    this.call = call
    this.number = number
    this.startedAt = startedAt
  }

  /** `performance.now()`, without asking the clock a second time in one turn: a look at it is a third of a call. */
  now(): number {
    return this.fresh ? this.startedAt : steadyNow()
  }

  /** A wait is over, and it goes now: what follows is timed from here. */
  startAnew(): void {
    this.call.keepStart()
    this.startedAt = steadyNow()
    this.fresh = true
  }

  /** It was not let through: it counts as none. */
  takeBack(): void {
    this.call.attempts -= 1
  }

  /** It was refused before anything was sent. */
  refused(error: Error): void {
    this.takeBack()
    attemptDone(this, error)
  }

  /** The options of this attempt, made of those of the one before. */
  optionsFrom(options: Dispatcher.DispatchOptions): AttemptOptions {
    const own: AttemptOptions = { ...options }
    own[attemptKey] = this
    return own
  }
}
