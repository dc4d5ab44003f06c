import { type Deadline, type Deadlines, NOT_WAITING } from '../../time/deadlines.ts'
import type { Attempt } from '../attempt.ts'
import { attemptDone } from '../call-events.ts'
import type { Wait, WaitListener, Waits } from '../wait.ts'
import type { InLine } from './fair-queue.ts'

/**
 * A call in a line of ours: for a permit, for a slot. It leaves when its turn comes, when it has waited as long as it may,
 * or when it ends; what it has waited is counted in each case, and an attempt that is not let through is none.
 */
export abstract class LinedCall implements InLine, WaitListener, Deadline {
  inLine = false
  previousInLine: InLine | undefined = undefined
  nextInLine: InLine | undefined = undefined
  place = NOT_WAITING
  protected readonly attempt: Attempt
  readonly #deadlines: Deadlines
  readonly #tell: (error: Error) => void
  readonly #since: number
  readonly #wait: Wait

  /** @param tell the layers above that it has ended without its turn */
  constructor(attempt: Attempt, waits: Waits, deadlines: Deadlines, tell: (error: Error) => void) {
    this.attempt = attempt
    this.#deadlines = deadlines
    this.#tell = tell
    this.#since = performance.now()
    this.#wait = waits.begin(attempt, this)
    deadlines.set(this, this.#since)
  }

  /** It has waited as long as it may. */
  abstract expire(): void

  /** It is in the line no more. */
  protected abstract left(): void

  /** It has left the line, and goes, in the async context of its call. False where the call had ended in the same turn. */
  protected go(next: () => void): boolean {
    this.#over()
    return this.attempt.call.runInAsyncScope(this.#goes, this, next)
  }

  /** It is not let through. The error is made when its attempt is counted back. */
  protected refused(makeError: () => Error): void {
    this.#wait.fail(makeError)
  }

  stopped(): void {
    this.#over()
    this.attempt.takeBack()
    this.left()
  }

  failed(error: Error): void {
    attemptDone(this.attempt, error)
    this.#tell(error)
  }

  #goes(next: () => void): boolean {
    return this.#wait.go(next)
  }

  #over(): void {
    this.#deadlines.clear(this)
    this.attempt.call.waitedMs += performance.now() - this.#since
  }
}
