import type { Dispatcher } from 'undici'
import { bulkheadInterceptor } from './bulkhead/interceptor.ts'
import { interceptor, stacked } from './call/layer.ts'
import { resolveOptions } from './checks.ts'
import { circuitBreakerInterceptor, type Circuits } from './circuit/interceptor.ts'
import { classification } from './classification/interceptor.ts'
import { inspectNothing } from './classification/options.ts'
import { type CloseOptions, closeTimes, deadLetterInterceptor } from './dead-letter/interceptor.ts'
import { checkPlaces } from './dead-letter/options.ts'
import { extraUrlRules } from './dead-letter/redact-options.ts'
import type { DeadLetterStore } from './dead-letter/store/store.ts'
import { rateLimitInterceptor, type Limits } from './rate-limit/interceptor.ts'
import { noBudget, type RetryBudgetView } from './retry/budget/budgets.ts'
import { retryInterceptor } from './retry/interceptor.ts'
import { describeStack, type StackDescription } from './stack/description.ts'
import { resilienceChecks, type ResilienceOptions, type ResiliencePolicy } from './stack/options.ts'
import { memoryLimits } from './stores/memory/limits.ts'
import { memoryStore } from './stores/memory/memory-store.ts'
import { Reporter } from './telemetry/reporter.ts'
import { callLimit, timeoutInterceptor } from './timeout/interceptor.ts'
import { isLimit, timeLimitOf } from './timeout/limit.ts'

export type { ResilienceOptions } from './stack/options.ts'

/** The interceptor, and what it holds. */
export interface ResilienceStack extends Dispatcher.DispatcherComposeInterceptor {
  /** The `integration` option. */
  readonly integration: string
  /** The state of the circuits, and operator overrides. */
  readonly circuits: Circuits
  /** The state of the rate limits and cool-downs, and operator overrides. */
  readonly limits: Limits
  /** What is left for retries of each origin. */
  readonly retryBudget: RetryBudgetView
  /** What finally failed, up to the call that has just returned: a look waits for captures on their way (at most 2 s). */
  readonly deadLetters: DeadLetterStore
  /**
   * Which layers there are, in their order, and their options with every default filled in: to log once at the start.
   * @example
   * console.dir(stack.describe(), { depth: null })
   */
  describe(): StackDescription
  /**
   * Ends the waits of calls with a `ShutdownError` and captures these calls, writes down what was captured and counted,
   * and releases timers: the process can exit. Closes the store only if the stack made it itself. Calls after it still
   * work, uncaptured and without waits.
   */
  close(options?: CloseOptions): Promise<void>
}

/**
 * The standard stack for any dispatcher. From the outside in: dead letter > total timeout > retry > rate limit >
 * bulkhead (where it is set) > circuit breaker > attempt timeout. So every attempt takes a permit and is seen by the breaker, an open circuit ends the retries,
 * and the dead letter knows the whole story.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const stack = resilience({ integration: 'hubspot', store: redisStore(redis) })
 * setGlobalDispatcher(new Agent().compose(stack))
 */
export function resilience(options: ResilienceOptions = {}): ResilienceStack {
  return stackOf(resolveOptions('resilience', resilienceChecks, options))
}

/** The stack of options that are already checked. */
export function stackOf(policy: ResiliencePolicy): ResilienceStack {
  const { integration, logger, retry, rateLimit, bulkhead, circuitBreaker, deadLetter, classify } = policy
  const store = policy.store ?? memoryStore()
  const limits = store.limits ?? memoryLimits()
  if (deadLetter !== false) checkPlaces('deadLetter.', deadLetter, store.deadLetters)
  const reporter = new Reporter(integration, logger)
  const { inspectBody = inspectNothing, totalTimeoutUntil } = policy
  const untilEnd = totalTimeoutUntil === 'end'
  const attemptLimit = timeLimitOf(policy.attemptTimeoutMs, {
    integration,
    scope: 'attempt',
    untilEnd: false,
  })
  const totalLimit = timeLimitOf(policy.totalTimeoutMs, { integration, scope: 'call', untilEnd })
  const attemptTimeout = timeoutInterceptor(attemptLimit)
  const totalTimeout = timeoutInterceptor(totalLimit)
  const classifier = classify === undefined ? undefined : classification({ classify, inspectBody }, reporter)

  const letters =
    deadLetter === false ? undefined : deadLetterInterceptor(deadLetter, store.deadLetters, reporter, logger)
  const limiter =
    rateLimit === false ? undefined : rateLimitInterceptor(rateLimit, limits, reporter, retry !== false)
  const retries = retry === false ? undefined : retryInterceptor(retry, reporter, limiter?.coolDowns)
  const slots = bulkhead === false ? undefined : bulkheadInterceptor(bulkhead, reporter)
  const breaker =
    circuitBreaker === false ? undefined : circuitBreakerInterceptor(circuitBreaker, store.circuits, reporter)

  // what calls go through that may bring limits of their own
  const general = [attemptTimeout, classifier, breaker, slots, limiter, retries, totalTimeout, letters]
  // all others pay for no limit that is not set, and for no handler where another one can keep the time
  const timed = isLimit(attemptLimit)
  const inBreaker = timed && breaker !== undefined && classifier === undefined
  const attemptsEndFirst =
    timed && isLimit(totalLimit) && attemptLimit.deadlines.ms < totalLimit.deadlines.ms && !untilEnd
  const usual = [
    timed && !inBreaker ? attemptTimeout : undefined,
    classifier,
    inBreaker ? breaker.timed(attemptLimit, attemptTimeout) : breaker,
    slots,
    limiter,
    retries,
    isLimit(totalLimit) ? callLimit(totalLimit, attemptsEndFirst && classifier === undefined) : undefined,
    letters,
  ]
  const stack = interceptor(integration, stacked(usual), {
    makeGeneralLayer: stacked(general),
    urlRules: deadLetter === false ? undefined : extraUrlRules(deadLetter.redact),
  })
  return Object.assign(stack, {
    integration,
    describe: () => describeStack(policy),
    circuits: store.circuits,
    limits,
    retryBudget: retries?.retryBudget ?? noBudget,
    deadLetters: letters?.deadLetters ?? store.deadLetters,
    async close(closing: CloseOptions = {}): Promise<void> {
      // before anything is ended: what is refused has closed nothing
      const times = closeTimes(closing)
      // waits first: the calls that they end are captured too
      retries?.close()
      slots?.close()
      const otherWaits = [limiter?.close(), breaker?.close()]
      await Promise.all([letters?.close(times), ...otherWaits])
      // Memory has nothing to end, and what was captured stays readable.
      if (policy.store === undefined) await Promise.all([limits.close(), store.circuits.close()])
    },
  })
}
