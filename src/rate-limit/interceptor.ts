import type { Dispatcher } from 'undici'
import { interceptor, type Layer, type LayerInterceptor, send } from '../call/layer.ts'
import type { CoolDowns } from '../call/line/held-back.ts'
import { type Checks, optional, resolveOptions, withDefault } from '../checks.ts'
import { integrationOption } from '../options.ts'
import { limitStoreOption } from '../store.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import { Budget } from './budget.ts'
import { type LayerContext, RateLimitHandler } from './handler.ts'
import { Line } from './line/line.ts'
import { rateLimitChecks, type RateLimitOptions, type RateLimitPolicy } from './options.ts'
import { LimitRegistry } from './registry.ts'
import type { Limits, LimitStore } from './store.ts'

export type { Cost, LimitState } from './limit.ts'
export type { LimitOptions, RateLimitOptions, Remaining } from './options.ts'
export type { Limits, LimitSnapshot, LimitStore } from './store.ts'

/** Options of `rateLimit` used by itself. */
export interface RateLimitInterceptorOptions extends RateLimitOptions {
  /** The label in errors, events and logs. Default 'default'. */
  integration?: string | undefined
  /** Where limits and cool-downs are kept: `memoryStore()`, `redisStore(redis)`. Default: in this process, for this one. */
  store?: { readonly limits: LimitStore } | undefined
  /** Logs of calls that wait or are refused, and of cool-downs. */
  logger?: Logger | undefined
}

/** The interceptor, and its limits. */
export interface RateLimitInterceptor extends Dispatcher.DispatcherComposeInterceptor {
  readonly limits: Limits
  /** Ends the waits of calls with a `ShutdownError`, and hands on what was used. The store stays open. */
  close(): Promise<void>
}

/** The layer of a stack, and what a retry layer right above tells of answers. */
interface RateLimitLayer extends RateLimitInterceptor, LayerInterceptor {
  readonly coolDowns: CoolDowns
}

/**
 * Keeps to a provider's rate limits: an attempt goes when each limit of its key has a permit for it, waits in a fair line
 * until then, or is refused at once with a `RateLimitError` where it could not wait for so long. When the provider says
 * 429, or 503 with `Retry-After`, all calls of the key wait until the time that it names. Place it inside `retry`, so
 * that it sees every attempt, and outside `circuitBreaker`.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const limit = rateLimit({ limits: [{ limit: 100, intervalMs: 10_000 }] })
 * const dispatcher = new Agent().compose(limit)
 * limit.limits.state('https://api.example.com').used // 0
 */
export function rateLimit(options: RateLimitInterceptorOptions = {}): RateLimitInterceptor {
  const { integration, store, logger, ...policy } = resolveOptions('rateLimit', interceptorChecks, options)
  return rateLimitInterceptor(policy, store?.limits ?? new LimitRegistry(), new Reporter(integration, logger))
}

interface InterceptorPolicy extends RateLimitPolicy {
  readonly integration: string
  readonly store: { readonly limits: LimitStore } | undefined
  readonly logger: Logger | undefined
}

const interceptorChecks: Checks<RateLimitInterceptorOptions, InterceptorPolicy> = {
  ...rateLimitChecks,
  integration: withDefault(integrationOption, 'default'),
  store: optional(limitsOfStore),
  logger: loggerOption,
}

function limitsOfStore(name: string, value: unknown): { readonly limits: LimitStore } {
  return { limits: limitStoreOption(`${name}.limits`, (value as { limits?: unknown } | null)?.limits) }
}

/**
 * The interceptor of options that are already checked.
 * @param toldByRetry the layer right above calls `coolDowns`
 */
export function rateLimitInterceptor(
  policy: RateLimitPolicy,
  store: LimitStore,
  reporter: Reporter,
  toldByRetry = false,
): RateLimitLayer {
  const budget = new Budget(policy, store, reporter, toldByRetry)
  const line = new Line(policy.maxWaitMs, reporter)
  const stopReporting = reporter.logs
    ? store.onCooldown((event) => reporter.cooldownStarted(event))
    : undefined
  const makeLayer = policy.limits.length > 0 ? limitedLayer : coolingLayer
  const layer = interceptor(reporter.integration, (next) => makeLayer(next, budget, line))
  return Object.assign(layer, {
    limits: store,
    coolDowns: {
      heed: budget.heed.bind(budget),
      holder: budget,
      // with limits each attempt has a handler that does
      holdsBack: policy.limits.length > 0 ? undefined : budget.holdsBack.bind(budget),
    },
    async close(): Promise<void> {
      line.waits.close()
      stopReporting?.()
      await store.flush()
    },
  })
}

/** Limits are known: each attempt takes a permit. No closure where it has one: what it captures would be allocated. */
function limitedLayer(next: Layer, budget: Budget, line: Line): Layer {
  const layer: Layer = (attempt, options, handler) => {
    const { call } = attempt
    const { scope } = call
    if (scope?.rateLimit === false) return next(attempt, options, handler)
    const limiter = budget.limiterOf(budget.scopeOf(call), options)
    const units = budget.unitsOf(attempt, limiter)
    const now = attempt.now()
    const background = scope?.priority === 'background'
    if (limiter.passes(units, now, background)) {
      return next(attempt, options, new RateLimitHandler(context, attempt, options, handler, limiter, units))
    }
    if (limiter.passesToOpenCircuit(now)) {
      const through = new RateLimitHandler(context, attempt, options, handler, limiter, undefined)
      return next(attempt, options, through)
    }
    context.hold(attempt, options, handler, limiter, units)
    return true
  }
  const context = contextOf(layer, next, budget, line)
  return layer
}

/** No limits are known: calls only wait where the provider asked for it. */
function coolingLayer(next: Layer, budget: Budget, line: Line): Layer {
  const { store } = budget
  const layer: Layer = (attempt, options, handler) => {
    const { call } = attempt
    if (call.scope?.rateLimit === false) return next(attempt, options, handler)
    if (!attempt.fresh) {
      const holder = budget.takeHolder(attempt)
      if (holder !== undefined) {
        context.hold(attempt, options, handler, holder, holder.ones)
        return true
      }
    }
    const now = attempt.now()
    const scope = budget.scopeOf(call)
    const place = store.place(scope)
    // one that was held back has been counted
    if (attempt.fresh) place.count(now)
    if (place.held === 0) {
      if (budget.toldByRetry) return next(attempt, options, handler)
      return next(
        attempt,
        options,
        new RateLimitHandler(context, attempt, options, handler, undefined, undefined),
      )
    }
    const limiter = store.cooling(budget.keyOf(scope, options))
    const background = call.scope?.priority === 'background'
    if (limiter === undefined || limiter.passes(limiter.ones, now, background)) {
      const through = new RateLimitHandler(context, attempt, options, handler, limiter, limiter?.ones)
      return next(attempt, options, through)
    }
    context.hold(attempt, options, handler, limiter, limiter.ones)
    return true
  }
  const context = contextOf(layer, next, budget, line)
  return layer
}

function contextOf(layer: Layer, next: Layer, budget: Budget, line: Line): LayerContext {
  const context: LayerContext = {
    budget,
    layer,
    hold(attempt, options, handler, limiter, units) {
      const background = attempt.call.scope?.priority === 'background'
      line.join({ attempt, limiter, units, background, handler }, () => {
        send(next, attempt, options, new RateLimitHandler(context, attempt, options, handler, limiter, units))
      })
    },
  }
  return context
}
