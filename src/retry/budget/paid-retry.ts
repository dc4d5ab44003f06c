import type { Attempt } from '../../call/attempt.ts'
import type { Call } from '../../call/call.ts'
import type { Stoppable } from '../../call/wait.ts'
import type { RetryBudget } from './budget.ts'

/**
 * A retry that was taken from a budget. It is given back, once, where it is never sent after all: a layer of ours refuses
 * it, or the call ends while it waits in a line, ours or undici's.
 */
export class PaidRetry implements Stoppable {
  nextStoppable: Stoppable | undefined = undefined
  #budget: RetryBudget | undefined
  #attempt: Attempt | undefined

  constructor(budget: RetryBudget) {
    this.#budget = budget
  }

  /** @param attempt what it pays for, which goes now */
  goes(attempt: Attempt): void {
    this.#attempt = attempt
    attempt.call.addWait(this)
  }

  /** @param refused by a layer of ours: it was not sent */
  failed(attempt: Attempt, refused: boolean): void {
    attempt.call.removeWait(this)
    if (refused) this.#giveBack()
  }

  /**
   * The attempt has timed out, or the call is over. Only that gives it back: attempts that find no connection in time
   * are load too, and others follow them.
   */
  stop(): void {
    const attempt = this.#attempt
    if (attempt?.started === false && isOver(attempt.call)) this.#giveBack()
  }

  #giveBack(): void {
    this.#budget?.giveBack()
    this.#budget = undefined
  }
}

function isOver({ cancelled, abandoned, deadline }: Call): boolean {
  return cancelled || abandoned || performance.now() >= deadline
}
