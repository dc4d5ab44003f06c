import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import { type CallRequest, requestOf } from '../call/call-request.ts'
import type { Call } from '../call/call.ts'
import { interceptor, type Layer, type LayerInterceptor, send } from '../call/layer.ts'
import { type Checks, resolveOptions, withDefault } from '../checks.ts'
import { integrationOption, stringOption } from '../options.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import { aimdPolicy } from './aimd.ts'
import { BulkheadHandler } from './handler.ts'
import { Line } from './line.ts'
import { bulkheadChecks, type BulkheadOptions, type BulkheadPolicy } from './options.ts'
import { SlotsByKey } from './slots-by-key.ts'
import type { Slots } from './slots.ts'

export type { AdaptiveOptions, BulkheadOptions } from './options.ts'

/** Options of `bulkhead` used by itself. */
export interface BulkheadInterceptorOptions extends BulkheadOptions {
  /** The label in errors and logs. Default 'default'. */
  integration?: string | undefined
  /** Logs of calls that wait or are refused. */
  logger?: Logger | undefined
}

/** The interceptor, and what ends its waits. */
export interface BulkheadInterceptor extends Dispatcher.DispatcherComposeInterceptor {
  /** Ends the waits of calls with a `ShutdownError`. Calls after it are refused where they find no slot. */
  close(): void
}

/**
 * Bounds how many attempts of a key are in flight at once in this process, so that one slow provider does not take all
 * memory and connections. What finds no slot waits in the order in which it came, and is refused with a
 * `BulkheadFullError`, nothing sent, where the line is full, the wait too long, or too little of the call's time would be
 * left. Place it inside `retry`, so that it sees every attempt, and outside `circuitBreaker`.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const dispatcher = new Agent().compose(bulkhead({ limit: 10 }))
 * await fetch('https://api.example.com/items', { dispatcher })
 */
export function bulkhead(options: BulkheadInterceptorOptions = {}): BulkheadInterceptor {
  const { integration, logger, ...policy } = resolveOptions('bulkhead', interceptorChecks, options)
  return bulkheadInterceptor(policy, new Reporter(integration, logger))
}

const interceptorChecks: Checks<
  BulkheadInterceptorOptions,
  BulkheadPolicy & { readonly integration: string; readonly logger: Logger | undefined }
> = { ...bulkheadChecks, integration: withDefault(integrationOption, 'default'), logger: loggerOption }

/** The interceptor of options that are already checked. */
export function bulkheadInterceptor(
  policy: BulkheadPolicy,
  reporter: Reporter,
): BulkheadInterceptor & LayerInterceptor {
  const { key, holdUntil, limit, adaptive } = policy
  const untilEnd = holdUntil === 'end'
  const all = new SlotsByKey(limit, adaptive && aimdPolicy(limit, adaptive))
  const line = new Line(policy, reporter)
  const layer = interceptor(
    reporter.integration,
    // no closure in here: what it captures would be allocated for each healthy call
    (next) => (attempt, options, handler) => {
      const { call } = attempt
      if (call.scope?.bulkhead === false) return next(attempt, options, handler)
      const name = key === undefined ? call.origin : reporter.guard('key', call.origin, madeKey, key, call)
      const slots = all.of(name)
      if (!slots.free) return hold(next, line, slots, attempt, options, handler, untilEnd)
      return next(attempt, options, new BulkheadHandler(slots, attempt, handler, untilEnd))
    },
  )
  return Object.assign(layer, { close: () => line.waits.close() })
}

function hold(
  next: Layer,
  line: Line,
  slots: Slots,
  attempt: Attempt,
  options: Dispatcher.DispatchOptions,
  handler: Dispatcher.DispatchHandler,
  untilEnd: boolean,
): true {
  line.join({ attempt, slots, handler }, () => {
    send(next, attempt, options, new BulkheadHandler(slots, attempt, handler, untilEnd))
  })
  return true
}

function madeKey(make: (request: CallRequest) => string, call: Call): string {
  return stringOption('key', make(requestOf(call)))
}
