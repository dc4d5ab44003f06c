import type { Dispatcher } from 'undici'
import { interceptor, type LayerInterceptor } from '../call/layer.ts'
import type { CoolDowns } from '../call/line/held-back.ts'
import { Waits } from '../call/wait.ts'
import { type Checks, resolveOptions, withDefault } from '../checks.ts'
import { integrationOption } from '../options.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import { noBudget, RetryBudgets, type RetryBudgetView } from './budget/budgets.ts'
import type { RetryContext } from './context.ts'
import { firstTurn } from './failure/failed-attempt.ts'
import { makeLookForOthers } from './failure/other-retries.ts'
import { RetryHandler } from './handler.ts'
import { giveIdempotencyKey, isRepeatableCall, makeLookForNoKey } from './idempotency.ts'
import { retryChecks, type RetryOptions, type RetryPolicy } from './options.ts'

/** Options of `retry` used by itself. */
export interface RetryInterceptorOptions extends RetryOptions {
  /** The label in events and logs. Default 'default'. */
  integration?: string | undefined
  /** Structured logs of attempts, retries and calls given up. */
  logger?: Logger | undefined
}

/** The interceptor, and what ends its waits. */
export interface RetryInterceptor extends Dispatcher.DispatcherComposeInterceptor {
  /** Ends every wait between attempts with a `ShutdownError`; later failures are final. */
  close(): void
  /** What is left for retries of each origin. */
  readonly retryBudget: RetryBudgetView
}

/**
 * Sends a call again when it failed for now and may be sent again: an idempotent request on any transient outcome, any
 * request when the server surely did not act. The caller gets the first success, or the last failure as it was.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const dispatcher = new Agent().compose(retry({ maxAttempts: 3 }))
 * await fetch('https://api.example.com/items', { dispatcher })
 */
export function retry(options: RetryInterceptorOptions = {}): RetryInterceptor {
  const { integration, logger, ...policy } = resolveOptions('retry', interceptorChecks, options)
  return retryInterceptor(policy, new Reporter(integration, logger))
}

const interceptorChecks: Checks<
  RetryInterceptorOptions,
  RetryPolicy & { readonly integration: string; readonly logger: Logger | undefined }
> = { ...retryChecks, integration: withDefault(integrationOption, 'default'), logger: loggerOption }

/** The interceptor of options that are already checked. */
export function retryInterceptor(
  policy: RetryPolicy,
  reporter: Reporter,
  coolDowns?: CoolDowns,
): RetryInterceptor & LayerInterceptor {
  const { integration } = reporter
  const waits = new Waits(integration)
  const budgets = policy.budget === false ? undefined : new RetryBudgets(policy.budget)
  const lookForOthers = makeLookForOthers()
  const lookForNoKey = makeLookForNoKey()
  const layer = interceptor(integration, (next) => {
    const contextOf = (policy: RetryPolicy): RetryContext => ({
      policy,
      reporter,
      next,
      waits,
      coolDowns,
      lookForOthers,
      budgets: policy.budget === false ? undefined : budgets,
      isRepeatable: (call) => {
        const repeatable = isRepeatableCall(policy, call, reporter)
        if (!repeatable) lookForNoKey(call)
        return repeatable
      },
    })
    const standard = contextOf(policy)
    return (attempt, callOptions, handler) => {
      const { call } = attempt
      const context =
        call.scope?.retry === undefined ? standard : contextOf(overridden(policy, call.scope.retry))
      const { maxAttempts, maxBodyBytes, idempotencyKey } = context.policy
      if (maxAttempts > 1) callOptions = call.recordUpTo(callOptions, maxBodyBytes)
      call.retried = true
      // of two retry layers the outer one decides
      call.repeatableRule ??= context.isRepeatable
      if (idempotencyKey !== false) giveIdempotencyKey(context.policy, call, reporter)
      return next(attempt, callOptions, new RetryHandler(context, attempt, callOptions, handler, firstTurn))
    }
  })
  return Object.assign(layer, { close: () => waits.close(), retryBudget: budgets ?? noBudget })
}

/** `withCallOptions` has checked the override. */
function overridden(policy: RetryPolicy, override: unknown): RetryPolicy {
  return { ...policy, ...(override === false ? { maxAttempts: 1 } : (override as Partial<RetryPolicy>)) }
}
