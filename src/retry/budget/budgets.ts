import type { Attempt } from '../../call/attempt.ts'
import { RetryBudget, type RetryBudgetPolicy } from './budget.ts'
import type { PaidRetry } from './paid-retry.ts'

/** Origins whose budgets are kept per stack; beyond it one that owes nothing goes, else the oldest. */
const MAX_ORIGINS = 1_000

/** The retry budget of one origin, now. */
export interface RetryBudgetState {
  /** The origin. */
  readonly key: string
  /** Retries that it would let through now; Infinity where there is no budget. */
  readonly left: number
  /** How many may be unpaid at once: `burst`, or the calls of the last second. */
  readonly room: number
  /** Retries that were sent, or are about to be, since the origin is known. */
  readonly retries: number
  /** Calls that ended with reason `budget`, since the origin is known. */
  readonly refused: number
}

/** The operator's view of retry budgets: `stack.retryBudget`. */
export interface RetryBudgetView {
  /**
   * The budget of an origin, at once.
   * @example
   * stack.retryBudget.state('https://api.example.com').refused // 0
   */
  state(key: string): RetryBudgetState
  /** Of the origins that were called, at most 1,000. */
  list(): RetryBudgetState[]
}

/** Where nothing but `maxAttempts` bounds retries. */
export const noBudget: RetryBudgetView = {
  state: (key) => ({ key, left: Infinity, room: Infinity, retries: 0, refused: 0 }),
  list: () => [],
}

/** The retry budgets of one stack in this process, one for each origin. */
export class RetryBudgets implements RetryBudgetView {
  readonly #policy: RetryBudgetPolicy
  readonly #budgets = new Map<string, RetryBudget>()
  /** Of the last call: often that of the next one too. */
  #lastKey: string | undefined
  #last: RetryBudget | undefined

  constructor(policy: RetryBudgetPolicy) {
    this.#policy = policy
  }

  /**
   * An attempt was answered, and not with a failure that is worth another one.
   * @param paid what let the attempt through, where it is a retry that cost something
   */
  succeeded(attempt: Attempt, paid: PaidRetry | undefined): void {
    const now = attempt.startedAt
    const budget = this.of(attempt.call.origin, now)
    if (attempt.number === 1) budget.called(now)
    budget.succeeded(paid !== undefined)
  }

  /**
   * An attempt failed.
   * @param refused by a layer of ours: it was not sent
   * @returns the budget of its origin
   */
  failed(attempt: Attempt, refused: boolean, paid: PaidRetry | undefined): RetryBudget {
    const now = performance.now()
    const budget = this.of(attempt.call.origin, now)
    paid?.failed(attempt, refused)
    if (!refused && attempt.number === 1) budget.called(now)
    return budget
  }

  /** The budget of a key; made when it is new. */
  of(key: string, now: number): RetryBudget {
    if (this.#last !== undefined && key === this.#lastKey) return this.#last
    const budget = this.#budgets.get(key) ?? this.#make(key, now)
    this.#lastKey = key
    this.#last = budget
    return budget
  }

  state(key: string): RetryBudgetState {
    const now = performance.now()
    return stateOf(key, this.#budgets.get(key) ?? new RetryBudget(this.#policy, now), now)
  }

  list(): RetryBudgetState[] {
    const now = performance.now()
    return Array.from(this.#budgets, ([key, budget]) => stateOf(key, budget, now))
  }

  #make(key: string, now: number): RetryBudget {
    if (this.#budgets.size >= MAX_ORIGINS) this.#budgets.delete(this.#leastMissed(now))
    const budget = new RetryBudget(this.#policy, now)
    this.#budgets.set(key, budget)
    return budget
  }

  #leastMissed(now: number): string {
    let oldest: string | undefined
    for (const [key, budget] of this.#budgets) {
      if (!budget.owes(now)) return key
      oldest ??= key
    }
    return oldest!
  }
}

function stateOf(key: string, budget: RetryBudget, now: number): RetryBudgetState {
  const { retries, refused } = budget
  return { key, left: budget.left(now), room: Math.floor(budget.room(now)), retries, refused }
}
