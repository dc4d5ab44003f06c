import type { Attempt } from '../call/attempt.ts'
import { LinedCall } from '../call/line/lined-call.ts'
import type { Waits } from '../call/wait.ts'
import type { Deadlines } from '../time/deadlines.ts'
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

/** A call in line for a slot: its turn is worth nothing where it could not finish in time any more. */
export class WaitingCall extends LinedCall implements Waiter {
  readonly #slots: Slots
  readonly #end: WaitEnd

  constructor(attempt: Attempt, slots: Slots, waits: Waits, deadlines: Deadlines, end: WaitEnd) {
    super(attempt, waits, deadlines, (error) => end.fail(error))
    this.#slots = slots
    this.#end = end
  }

  turn(): void {
    if (this.#finishes()) this.go(() => this.#end.go())
    else this.#refuse('too-late')
  }

  expire(): void {
    this.#refuse(this.#finishes() ? 'full' : 'too-late')
  }

  protected left(): void {
    this.#slots.leave(this)
  }

  #finishes(): boolean {
    return this.#slots.finishes(this.attempt.call.deadline - performance.now())
  }

  #refuse(why: Refusal): void {
    this.refused(() => this.#end.refusal(why))
  }
}
