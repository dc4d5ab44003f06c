import type { Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { interceptor, type LayerInterceptor } from '../call/layer.ts'
import type { TimeLimit } from '../call/time-limit.ts'
import { resolveOptions } from '../checks.ts'
import { Deadlines } from '../time/deadlines.ts'
import { TimeoutHandler } from './handler.ts'
import type { TimePolicy } from './limit.ts'
import { timeoutChecks, type TimeoutOptions } from './options.ts'

export type { TimeoutOptions } from './options.ts'

/**
 * Ends what takes too long with a `RequestTimeoutError`. Inside `retry` it bounds each attempt, which may then be
 * tried again; outside it bounds the call with all its attempts and waits. A process that could not run for a while
 * reads what has arrived before it declares a timeout.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * new Agent().compose(timeout({ ms: 5_000 }), retry(), timeout({ ms: 30_000 })) // the last is the outermost
 */
export function timeout(options: TimeoutOptions): Dispatcher.DispatcherComposeInterceptor {
  const { ms, until, integration } = resolveOptions('timeout', timeoutChecks, options)
  return timeoutInterceptor({
    deadlines: new Deadlines(ms),
    untilEnd: until === 'end',
    integration,
    scope: undefined,
  })
}

/**
 * Keeps the calls that a stack opens to their time, at no cost but a look at the clock while all goes well: what is above
 * it hears of the timeout from the call itself.
 * @param within attempts have less time
 */
export function callLimit(limit: TimeLimit, within: boolean): LayerInterceptor {
  return interceptor(limit.integration, (next) => (attempt, options, handler) => {
    attempt.call.limitTo(limit, attempt.now(), within)
    return next(attempt, options, handler)
  })
}

/**
 * The interceptor of a policy that is already checked.
 * @param scope of one that stands alone it is the attempt where a retry is above, else the call; then no call brings a
 *   limit of its own
 */
export function timeoutInterceptor(
  policy: TimePolicy | (Omit<TimePolicy, 'scope'> & { readonly scope: undefined }),
): LayerInterceptor {
  const { deadlines, scope, ...rest } = policy
  const limitOf = (deadlines: Deadlines, scope: 'attempt' | 'call'): TimeLimit => ({
    ...rest,
    deadlines,
    scope,
  })
  const ofAttempt = deadlines && limitOf(deadlines, 'attempt')
  const ofCall = deadlines && limitOf(deadlines, 'call')
  const ofPolicy = scope === 'call' ? ofCall : ofAttempt

  const broughtBy = (call: Call): TimeLimit | undefined => {
    if (scope === undefined) return undefined
    const ms = scope === 'call' ? call.scope?.totalTimeoutMs : call.scope?.attemptTimeoutMs
    return ms === undefined ? undefined : limitOf(new Deadlines(ms, true), scope)
  }

  return interceptor(rest.integration, (next) => (attempt, options, handler) => {
    const { call } = attempt
    let limit = scope !== undefined || call.retried ? ofPolicy : ofCall
    if (call.scope !== undefined) limit = broughtBy(call) ?? limit
    if (limit === undefined) return next(attempt, options, handler)
    return next(attempt, options, new TimeoutHandler(attempt, handler, limit))
  })
}
