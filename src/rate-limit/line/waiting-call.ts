import type { Attempt } from '../../call/attempt.ts'
import { attemptDone } from '../../call/call-events.ts'
import type { InLine } from '../../call/line/fair-queue.ts'
import type { Wait, WaitListener, Waits } from '../../call/wait.ts'
import type { RateLimitError, ShutdownError } from '../../errors.ts'
import { type Deadline, type Deadlines, NOT_WAITING } from '../../time/deadlines.ts'
import type { Limiter, RefusedBy, Waiting } from '../limiter.ts'

/** What becomes of a call that waits. */
interface WaitEnd {
  /** Sends it; its permit is taken. */
  go(): void
  /** Tells that it was refused; its attempt is counted back already. */
  refuse(by: RefusedBy, retryAfterMs: number): RateLimitError
  /** Tells the layers above. */
  fail(error: Error): void
}

/** A call in line for a permit, or for the end of a cool-down: it leaves when its turn comes, its time is up, or it ends. */
export class WaitingCall implements Waiting, WaitListener, Deadline {
  inLine = false
  previousInLine: InLine | undefined = undefined
  nextInLine: InLine | undefined = undefined
  place = NOT_WAITING
  readonly units: readonly number[]
  readonly background: boolean
  readonly waitsUntil: number
  readonly #attempt: Attempt
  readonly #limiter: Limiter
  readonly #deadlines: Deadlines
  readonly #end: WaitEnd
  readonly #since: number
  readonly #wait: Wait

  constructor(
    attempt: Attempt,
    limiter: Limiter,
    { units, background, waitsUntil }: Pick<Waiting, 'units' | 'background' | 'waitsUntil'>,
    waits: Waits,
    deadlines: Deadlines,
    end: WaitEnd,
  ) {
    this.units = units
    this.background = background
    this.waitsUntil = waitsUntil
    this.#attempt = attempt
    this.#limiter = limiter
    this.#deadlines = deadlines
    this.#end = end
    this.#since = performance.now()
    this.#wait = waits.begin(attempt, this)
    deadlines.set(this, this.#since)
  }

  release(): void {
    this.#over()
    this.#attempt.call.runInAsyncScope(this.#go, this)
  }

  refuse(by: RefusedBy, retryAfterMs: number): void {
    // `fail` tells this listener first that the wait has stopped
    this.#wait.fail(() => this.#end.refuse(by, retryAfterMs))
  }

  /** The longest wait is over. */
  expire(): void {
    const { ms, by } = this.#limiter.knownWait(this.units, performance.now())
    this.refuse(by, ms)
  }

  stopped(): void {
    this.#over()
    this.#attempt.takeBack()
    this.#limiter.leave(this)
  }

  failed(error: RateLimitError | ShutdownError | Error): void {
    attemptDone(this.#attempt, error)
    this.#end.fail(error)
  }

  #go(): void {
    const gone = this.#wait.go(() => this.#end.go())
    // the call had ended in the same turn
    if (!gone) this.#limiter.giveBack(this.units, performance.now())
  }

  #over(): void {
    this.#deadlines.clear(this)
    const { call } = this.#attempt
    call.waitedMs += performance.now() - this.#since
  }
}
