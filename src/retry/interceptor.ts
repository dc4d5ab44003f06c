import type { Dispatcher } from 'undici'
import { interceptor, send } from '../call/layer.ts'
import { objectOption, stringOption } from '../options.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import { type RetryContext, RetryHandler } from './handler.ts'
import { giveIdempotencyKey } from './idempotency.ts'
import { resolveRetryOptions, retryOptionNames, type RetryOptions, type RetryPolicy } from './options.ts'

/** Options of `retry` used by itself. */
export interface RetryInterceptorOptions extends RetryOptions {
  /** The integration's name in events and logs. Default 'default'. */
  name?: string
  /** Structured logs of attempts, retries and calls given up. */
  logger?: Logger
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
export function retry(options: RetryInterceptorOptions = {}): Dispatcher.DispatcherComposeInterceptor {
  objectOption('retry', options, [...retryOptionNames, 'name', 'logger'])
  const { name = 'default', logger, ...own } = options
  const policy = resolveRetryOptions(own)
  const reporter = new Reporter(stringOption('name', name), loggerOption('logger', logger))

  return interceptor((dispatch) => {
    const standard: RetryContext = { policy, reporter, dispatch }
    return (call, callOptions, handler) => {
      const context =
        call.scope?.retry === undefined
          ? standard
          : { ...standard, policy: overridden(own, call.scope.retry) }
      if (context.policy.maxAttempts > 1)
        callOptions = call.recordUpTo(callOptions, context.policy.maxBodyBytes)
      call.retried = true
      giveIdempotencyKey(context.policy, call, reporter)
      return send(dispatch, call, callOptions, new RetryHandler(context, call, callOptions, handler, 0))
    }
  })
}

/** `withCallOptions` has checked the override. */
function overridden(own: RetryOptions, override: unknown): RetryPolicy {
  return resolveRetryOptions(
    override === false ? { ...own, maxAttempts: 1 } : { ...own, ...defined(override as RetryOptions) },
  )
}

/** Without what is undefined, which would stand for the default and not for the stack's value. */
function defined(options: RetryOptions): RetryOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as RetryOptions
}
