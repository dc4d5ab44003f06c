import type { Dispatcher } from 'undici'
import type { Attempt } from '../../call/attempt.ts'
import { isRereadable } from '../../call/body/request-body.ts'
import { attemptDone } from '../../call/call-events.ts'
import type { Wait } from '../../call/wait.ts'
import { ShutdownError } from '../../errors.ts'
import { deliveryOfOutcome, type Outcome } from '../../http/outcome.ts'
import { MAX_TIMER_MS } from '../../options.ts'
import { type CallEvent, channels } from '../../telemetry/channels.ts'
import type { RetryBudget } from '../budget/budget.ts'
import { PaidRetry } from '../budget/paid-retry.ts'
import type { RetryContext } from '../context.ts'
import { decideRetry, type RetryDecision, wasKeptBack } from '../decision.ts'
import { usersWordOn } from '../users-word.ts'
import { whyGivenUp } from '../why-given-up.ts'

/** How an attempt came about. */
export interface Turn {
  /** The wait before it, in milliseconds. */
  readonly delayMs: number
  /** Turns that its call has let pass, since the budget was empty. */
  readonly skipped: number
  /** What it was taken from, where it is a retry that cost something. */
  readonly paidBy: PaidRetry | undefined
}

/** Of the first attempt of a call. */
export const firstTurn: Turn = { delayMs: 0, skipped: 0, paidBy: undefined }

/** What a failed attempt needs of whoever lives through it. */
export interface Retrier {
  /** Sends the next one. */
  attemptAgain(turn: Turn): void
  /** No further attempt is made after all: the failure that was kept is the caller's. */
  handOn(): void
  /** The failure that was kept is not the caller's: another attempt is made, or the call is over. */
  forget(): void
  /** The wait ended with the call, or with the stack. */
  waitFailed(error: Error): void
}

/**
 * What follows an attempt that failed: another one after its wait, or none. Where the budget of the origin is empty, the
 * call lets its turn pass: it keeps its failure, waits for its next turn and asks again, so that it outlives a blip
 * without adding to it. After its last turn the failure is the caller's.
 */
export class FailedAttempt {
  readonly #context: RetryContext
  readonly #attempt: Attempt
  readonly #options: Dispatcher.DispatchOptions
  readonly #outcome: Outcome
  readonly #turn: Turn
  readonly #retrier: Retrier
  readonly #budget: RetryBudget | undefined
  #keeping: Wait | undefined

  constructor(
    context: RetryContext,
    attempt: Attempt,
    options: Dispatcher.DispatchOptions,
    outcome: Outcome,
    turn: Turn,
    retrier: Retrier,
  ) {
    this.#context = context
    this.#attempt = attempt
    this.#options = options
    this.#outcome = outcome
    this.#turn = turn
    this.#retrier = retrier
    this.#budget = context.budgets?.failed(attempt, wasKeptBack(outcome), turn.paidBy)
  }

  /**
   * Decides, tells what was decided, and schedules the next attempt.
   * @param keepable whether the failure can be kept while the call waits
   * @returns whether there may be a further attempt
   */
  decide(keepable: boolean): boolean {
    const { call } = this.#attempt
    const outcome = this.#outcome
    const decision = this.#decide(this.#turn.skipped, this.#turn.delayMs)
    if (!decision.retry && decision.givenUp === undefined) {
      if (outcome.kind === 'response') this.#budget?.succeeded(this.#turn.paidBy !== undefined)
      call.givenUp = { reason: 'final' }
      return false
    }
    if (!wasKeptBack(outcome)) this.#tellFailure()
    if (!decision.retry) {
      call.givenUp = decision.givenUp
      return false
    }
    const { delayMs, retryAfterMs, costs } = decision
    const paidBy = costs ? this.#budget : undefined
    const mayGo = paidBy?.tryTake(performance.now()) ?? true
    if (!mayGo && !keepable) {
      this.#refuse()
      return false
    }
    if (mayGo) this.#goAfter(delayMs, retryAfterMs, paidBy)
    else this.#letPass(this.#turn.skipped, delayMs)
    return true
  }

  /** The failure may still become the caller's. */
  get isKept(): boolean {
    return this.#keeping !== undefined
  }

  /** What is kept cannot be kept longer: no further turn. False where the next attempt is on its way already. */
  stopWaiting(): boolean {
    const wait = this.#keeping
    if (wait === undefined) return false
    this.#keeping = undefined
    wait.stop()
    this.#refuse()
    return true
  }

  /** Once the layers above have the failure, so that its dead letter's id can be told too. */
  tellGivenUp(): void {
    const { call } = this.#attempt
    const { reason, why } = call.givenUp ?? {}
    const { reporter } = this.#context
    if (reason === undefined || reason === 'final' || !reporter.hears(channels.callGivenUp)) return
    const { deadLetterId } = call
    const event = { ...this.#event(), error: this.error, reason, why, deadLetterId }
    const teller = call.tellerOfLoss(this.#attempt)
    call.runInAsyncScope(() => reporter.callGivenUp(event, teller))
  }

  /** `undefined` where there was a response. */
  get error(): Error | undefined {
    return this.#outcome.kind === 'error' ? this.#outcome.error : undefined
  }

  #decide(skipped: number, previousDelayMs: number): RetryDecision {
    const { policy, reporter, waits } = this.#context
    const { call, number } = this.#attempt
    return decideRetry(policy, {
      outcome: this.#outcome,
      retryableError: this.error && usersWordOn(this.error, policy, reporter),
      attempt: number + skipped,
      // found out where it decides and not before: it may take a hook that looks at the body
      get repeatable() {
        return call.repeatable === true || call.idempotencyKey !== undefined
      },
      bodyRereadable: isRereadable(this.#options.body),
      previousDelayMs,
      remainingMs: call.deadline - performance.now(),
      closing: waits.closed,
      now: Date.now(),
      random: Math.random(),
    })
  }

  #refuse(): void {
    this.#budget?.refuse()
    this.#attempt.call.givenUp = { reason: 'budget', why: whyGivenUp.budget }
  }

  #goAfter(delayMs: number, retryAfterMs: number | undefined, paidBy: RetryBudget | undefined): void {
    attemptDone(this.#attempt, this.error)
    this.#tellScheduled(delayMs, retryAfterMs)
    const notBefore = retryAfterMs === undefined ? undefined : Date.now() + retryAfterMs
    const wait = this.#begin(
      delayMs,
      notBefore,
      () => paidBy?.giveBack(),
      () => {
        void wait.go(() => this.#again(delayMs, this.#turn.skipped, paidBy))
      },
    )
  }

  /** Waits like the others, and asks again when its turn comes. */
  #letPass(skipped: number, delayMs: number): void {
    const turn = (): void => {
      const paidBy = this.#budget
      if (paidBy?.tryTake(performance.now()) !== false) {
        this.#keeping = undefined
        this.#retrier.forget()
        attemptDone(this.#attempt, this.error)
        this.#tellScheduled(0, undefined)
        void wait.go(() => this.#again(delayMs, skipped, paidBy))
        return
      }
      const decision = this.#decide(skipped + 1, delayMs)
      if (decision.retry) {
        // the next wait keeps it
        this.#keeping = undefined
        wait.stop()
        this.#letPass(skipped + 1, decision.delayMs)
      } else if (this.stopWaiting()) this.#retrier.handOn()
    }
    const stopped = (): void => {
      if (this.#keeping === undefined) return
      // with the call: it gets nothing any more
      this.#keeping = undefined
      this.#retrier.forget()
    }
    const wait = this.#begin(delayMs, undefined, stopped, turn)
    this.#keeping = wait
  }

  #again(delayMs: number, skipped: number, budget: RetryBudget | undefined): void {
    this.#retrier.attemptAgain({ delayMs, skipped, paidBy: budget && new PaidRetry(budget) })
  }

  #begin(delayMs: number, notBefore: number | undefined, stopped: () => void, turn: () => void): Wait {
    const { call } = this.#attempt
    call.controller.detach()
    const wait = this.#context.waits.begin(this.#attempt, {
      stopped: () => {
        clearTimeout(timer)
        stopped()
      },
      failed: (error) => {
        call.givenUp = { reason: error instanceof ShutdownError ? 'shutdown' : 'deadline', notBefore }
        try {
          this.#retrier.waitFailed(error)
        } finally {
          this.tellGivenUp()
        }
      },
    })
    // Ref'd: an unref'd timer lets the process exit with a request pending (undici #3975). A millisecond more, since
    // timers may fire one early and a provider's wait is never undercut.
    const timer = setTimeout(turn, Math.min(delayMs + 1, MAX_TIMER_MS))
    return wait
  }

  #tellFailure(): void {
    const { reporter } = this.#context
    const outcome = this.#outcome
    const delivery = deliveryOfOutcome(outcome)
    const { call } = this.#attempt
    if (this.#context.policy.maxAttempts > 1) {
      this.#context.lookForOthers(call, this.error, call.repeatableRule === this.#context.isRepeatable)
    }
    const { ms } = call.logAttempt(this.#attempt, { ...outcome, delivery })
    if (reporter.hears(channels.attemptFailed)) {
      reporter.attemptFailed({ ...this.#event(), error: this.error, durationMs: ms })
    }
  }

  #tellScheduled(delayMs: number, retryAfterMs: number | undefined): void {
    const { reporter } = this.#context
    if (!reporter.hears(channels.retryScheduled)) return
    const budgetLeft = this.#budget?.left(performance.now())
    reporter.retryScheduled({ ...this.#event(), delayMs, retryAfterMs, budgetLeft })
  }

  #event(): CallEvent {
    const { call, number } = this.#attempt
    const outcome = this.#outcome
    return {
      integration: this.#context.reporter.integration,
      method: call.method,
      url: call.redactedUrl,
      attempt: wasKeptBack(outcome) ? call.attempts : number,
      statusCode: outcome.kind === 'response' ? outcome.statusCode : undefined,
      code: outcome.kind === 'error' ? outcome.code : outcome.verdict?.code,
      labels: call.labels,
    }
  }
}
