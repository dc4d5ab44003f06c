import { type Checks, number, withDefault } from '../../checks.ts'
import type { RetryBudgetPolicy } from './budget.ts'

/** How much retries may add to the load of an origin. */
export interface RetryBudgetOptions {
  /** Retries that each success pays for. Default 0.2. A retry that succeeds pays for itself too. */
  ratio?: number | undefined
  /** Retries that each second pays for, so that one call a minute is tried again too. Default 1. */
  perSecond?: number | undefined
  /** Retries that may be unpaid, at least 1. Default 50; as many as there were calls in the last second, if that is more. */
  burst?: number | undefined
}

/** The options of a retry budget: each with its bound and its default. */
export const retryBudgetChecks: Checks<RetryBudgetOptions, RetryBudgetPolicy> = {
  ratio: withDefault(number(), 0.2),
  perSecond: withDefault(number(), 1),
  burst: withDefault(number({ min: 1 }), 50),
}
