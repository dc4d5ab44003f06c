import { RequestTimeoutError, subjectOf } from '../errors.ts'
import { type Deadline, type Deadlines, NOT_WAITING } from '../time/deadlines.ts'
import type { Call } from './call.ts'

/** One time limit, as an interceptor has made it of options. */
export interface TimeLimit {
  readonly deadlines: Deadlines
  readonly scope: 'attempt' | 'call'
  readonly untilEnd: boolean
  readonly integration: string
}

/** What the caller gets of a call whose attempt, or which itself, took too long. */
export function timeoutError(call: Call, { integration, scope, deadlines }: TimeLimit): RequestTimeoutError {
  const { method, redactedUrl: url, attempts } = call
  const context = { integration, method, url, attempts, scope, timeoutMs: deadlines.ms } as const
  return new RequestTimeoutError(`${subjectOf(context)}: the ${scope} timed out`, context)
}

/** Ends a call whose time as a whole is over. */
export class CallTimer implements Deadline {
  place = NOT_WAITING
  readonly #call: Call
  readonly #limit: TimeLimit
  readonly #deadlines: Deadlines

  /** @param deadlines of what is left of the limit */
  constructor(call: Call, limit: TimeLimit, deadlines: Deadlines, now: number) {
    this.#call = call
    this.#limit = limit
    this.#deadlines = deadlines
    deadlines.set(this, now)
  }

  /** The headers of the final response are there. */
  responded(): void {
    if (!this.#limit.untilEnd) this.clear()
  }

  clear(): void {
    this.#deadlines.clear(this)
  }

  /** Comes from a timer that all calls share: in the async context of none. */
  expire(): void {
    const call = this.#call
    call.runInAsyncScope(() => call.timeOut(timeoutError(call, this.#limit)))
  }
}
