import type { Attempt } from '../../call/attempt.ts'
import { LinedCall } from '../../call/line/lined-call.ts'
import type { Waits } from '../../call/wait.ts'
import type { RateLimitError } from '../../errors.ts'
import type { Deadlines } from '../../time/deadlines.ts'
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

/** A call in line for a permit, or for the end of a cool-down. */
export class WaitingCall extends LinedCall implements Waiting {
  readonly units: readonly number[]
  readonly background: boolean
  readonly waitsUntil: number
  readonly #limiter: Limiter
  readonly #end: WaitEnd

  constructor(
    attempt: Attempt,
    limiter: Limiter,
    { units, background, waitsUntil }: Pick<Waiting, 'units' | 'background' | 'waitsUntil'>,
    waits: Waits,
    deadlines: Deadlines,
    end: WaitEnd,
  ) {
    super(attempt, waits, deadlines, (error) => end.fail(error))
    this.units = units
    this.background = background
    this.waitsUntil = waitsUntil
    this.#limiter = limiter
    this.#end = end
  }

  release(): void {
    const gone = this.go(() => this.#end.go())
    if (!gone) this.#limiter.giveBack(this.units, performance.now())
  }

  refuse(by: RefusedBy, retryAfterMs: number): void {
    this.refused(() => this.#end.refuse(by, retryAfterMs))
  }

  expire(): void {
    const { ms, by } = this.#limiter.knownWait(this.units, performance.now())
    this.refuse(by, ms)
  }

  protected left(): void {
    this.#limiter.leave(this)
  }
}
