import type { RetryBudget, RetryBudgetPolicy } from './budget.ts'
import { RetryBudgets } from './budgets.ts'

/** Policies whose budgets are kept: they are constants of a program, and few. */
const MAX_POLICIES = 100

const budgetsOf = new Map<string, RetryBudgets>()

/**
 * The budget that the calls of `withRetry` for one integration share, in this process. Functions without a label have
 * none: what they reach is not known, and the failures of one must not end the retries of another.
 */
export function functionBudget(
  policy: RetryBudgetPolicy | false,
  integration: string | undefined,
): RetryBudget | undefined {
  if (policy === false || integration === undefined) return undefined
  const key = `${policy.ratio} ${policy.perSecond} ${policy.burst}`
  let budgets = budgetsOf.get(key)
  if (budgets === undefined) {
    if (budgetsOf.size >= MAX_POLICIES) budgetsOf.clear()
    budgets = new RetryBudgets(policy)
    budgetsOf.set(key, budgets)
  }
  return budgets.of(integration, performance.now())
}
