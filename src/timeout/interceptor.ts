import type { Dispatcher } from 'undici'
import { interceptor, send } from '../call/layer.ts'
import { durationOption, objectOption, oneOfOption, stringOption } from '../options.ts'
import { TimeoutHandler, type TimeoutPolicy } from './handler.ts'

export interface TimeoutOptions {
  /** The longest time, in milliseconds, at least 1. */
  ms: number
  /** What ends it: the headers of the final response (default), or the end of its body. */
  until?: 'headers' | 'end'
  /** The integration's name in the error. Default 'default'. */
  name?: string
}

/**
 * Ends what takes too long with a `RequestTimeoutError`. Inside `retry` it bounds each attempt, which may then be
 * tried again; outside it bounds the call with all its attempts and waits.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * new Agent().compose(timeout({ ms: 5_000 }), retry(), timeout({ ms: 30_000 })) // the last is the outermost
 */
export function timeout(options: TimeoutOptions): Dispatcher.DispatcherComposeInterceptor {
  objectOption('timeout', options, ['ms', 'until', 'name'])
  return timeoutInterceptor({
    ms: durationOption('ms', options.ms, 1),
    untilEnd: oneOfOption('until', options.until ?? 'headers', ['headers', 'end']) === 'end',
    name: stringOption('name', options.name ?? 'default'),
    scope: undefined,
  })
}

/** The interceptor of a policy that is already checked; without a scope it asks whether a retry is above it. */
export function timeoutInterceptor(policy: TimeoutPolicy): Dispatcher.DispatcherComposeInterceptor {
  return interceptor(
    (dispatch) => (call, options, handler) =>
      send(dispatch, call, options, new TimeoutHandler(call, handler, policy)),
  )
}
