import type { Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { interceptor, type LayerInterceptor } from '../call/layer.ts'
import { resolveOptions } from '../checks.ts'
import { Deadlines } from '../time/deadlines.ts'
import { TimeoutHandler, type TimeLimit } from './handler.ts'
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

interface TimeoutPolicy {
  /** `undefined`: none, unless the call brings one. */
  readonly deadlines: Deadlines | undefined
  /** `undefined`: the attempt where a retry is above, else the call; no call brings one of its own. */
  readonly scope: 'attempt' | 'call' | undefined
  readonly untilEnd: boolean
  readonly integration: string
}

/** The interceptor of a policy that is already checked. */
export function timeoutInterceptor({ deadlines, scope, ...rest }: TimeoutPolicy): LayerInterceptor {
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
