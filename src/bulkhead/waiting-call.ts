import type { Attempt } from '../call/attempt.ts'
import { attemptDone } from '../call/call-events.ts'
import type { Wait, WaitListener, Waits } from '../call/wait.ts'
import { type Deadline, type Deadlines, NOT_WAITING } from '../time/deadlines.ts'
import type { Refusal } from './admission.ts'
import type { Slots, Waiter } from './slots.ts'

/** What becomes of a call that waits. */
interface WaitEnd {
  /** Sends it, with a slot. */
  go(): void
  /** The error of a call that is not let through; its attempt is counted back already. */
  refusal(why: Refusal): Error
  /** Tells the layers above. */
  fail(error: Error): void
}

/** A call in line for a slot: it leaves when its turn comes, when it could not finish in time any more, or when it ends. */
export class WaitingCall implements Waiter, WaitListener, Deadline {
  place = NOT_WAITING
  readonly #attempt: Attempt
  readonly #slots: Slots
  readonly #deadlines: Deadlines
  readonly #end: WaitEnd
  readonly #since: number
  readonly #wait: Wait

  constructor(attempt: Attempt, slots: Slots, waits: Waits, deadlines: Deadlines, end: WaitEnd) {
    this.#attempt = attempt
    this.#slots = slots
    this.#deadlines = deadlines
    this.#end = end
    this.#since = performance.now()
    this.#wait = waits.begin(attempt, this)
    deadlines.set(this, this.#since)
  }

  turn(): void {
    if (!this.#finishes()) {
      this.#refuse('too-late')
      return
    }
    this.#over()
    this.#attempt.call.runInAsyncScope(this.#go, this)
  }

  /** It has waited as long as it may. */
  expire(): void {
    this.#refuse(this.#finishes() ? 'full' : 'too-late')
  }

  stopped(): void {
    this.#over()
    this.#attempt.takeBack()
    this.#slots.leave(this)
  }

  failed(error: Error): void {
    attemptDone(this.#attempt, error)
    this.#end.fail(error)
  }

  #finishes(): boolean {
    return this.#slots.finishes(this.#attempt.call.deadline - performance.now())
  }

  #refuse(why: Refusal): void {
    this.#wait.fail(() => this.#end.refusal(why))
  }

  #go(): void {
    this.#wait.go(() => this.#end.go())
  }

  #over(): void {
    this.#deadlines.clear(this)
    this.#attempt.call.waitedMs += performance.now() - this.#since
  }
}
