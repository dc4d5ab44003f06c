import type { Dispatcher } from 'undici'
import type { Call } from '../call/call.ts'
import { type CallRequest, requestOf } from '../call/call-request.ts'
import { interceptor, send } from '../call/layer.ts'
import { objectOption, stringOption } from '../options.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import type { Admission, Circuit } from './circuit.ts'
import { CircuitHandler, type HandlerContext } from './handler.ts'
import {
  circuitBreakerOptionNames,
  type CircuitBreakerOptions,
  resolveCircuitBreakerOptions,
} from './options.ts'
import { localCircuits } from './local-circuits.ts'
import { DEFAULT_MAX_CIRCUITS } from './registry.ts'
import { isProbe, isRefusal, refusalError } from './refusal.ts'
import { reportChanges } from './report-changes.ts'
import { circuitStoreOption, type Circuits, type CircuitStore } from './store.ts'

export type { CircuitBreakerOptions } from './options.ts'
export type { Circuits, CircuitSnapshot, CircuitStore, CircuitStoreChange } from './store.ts'

/** Options of `circuitBreaker` used by itself. */
export interface CircuitBreakerInterceptorOptions extends CircuitBreakerOptions {
  /** The integration's name in errors and logs. Default 'default'. */
  name?: string
  /** Where circuits are kept: `memoryStore()`, `redisStore(redis)`. Default: in this process, for this breaker alone. */
  store?: { readonly circuits: CircuitStore }
  /** Logs of transitions, and of the store's loss and return. */
  logger?: Logger
}

export interface CircuitBreakerInterceptor extends Dispatcher.DispatcherComposeInterceptor {
  readonly circuits: Circuits
  /** Hands on what was counted and ends the logging. The store stays open. */
  close(): Promise<void>
}

/**
 * Stops calling what keeps failing: after enough failures in a window calls are refused at once with a
 * `CircuitBreakerOpenError`, until after `timeoutMs` a few probes find that it works again. One circuit per origin
 * unless `key` says otherwise. Place it inside `retry`, so that it sees every attempt.
 *
 * A result is recorded when the response's headers arrive, and a failure also when the body then breaks. Not counted:
 * 429 and other 4xx, cancellations, and results of attempts that began before the last transition.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const breaker = circuitBreaker({ failureThreshold: 3, timeoutMs: 10_000 })
 * const dispatcher = new Agent().compose(breaker)
 * breaker.circuits.state('https://api.example.com').state // 'closed'
 */
export function circuitBreaker(options: CircuitBreakerInterceptorOptions = {}): CircuitBreakerInterceptor {
  objectOption('circuitBreaker', options, [...circuitBreakerOptionNames, 'name', 'store', 'logger'])
  const { name: givenName, store, logger: givenLogger, ...own } = options
  const settings = resolveCircuitBreakerOptions(own)
  const name = stringOption('name', givenName ?? 'default')
  const logger = loggerOption('logger', givenLogger)
  const circuits = circuitStoreOption('store', store) ?? localCircuits(DEFAULT_MAX_CIRCUITS)
  const reporter = new Reporter(name, logger)
  const stopReporting = logger === undefined ? undefined : reportChanges(circuits, reporter)
  const { policy, key } = settings
  const context: HandlerContext = { settings, reporter }

  const circuitOf = (call: Call): Circuit =>
    circuits.circuit(key === undefined ? call.origin : keyOf(call, key, reporter), policy)

  const breaker = interceptor((dispatch) => {
    const enter = (
      circuit: Circuit,
      admission: Admission,
      call: Call,
      callOptions: Dispatcher.DispatchOptions,
      handler: Dispatcher.DispatchHandler,
    ): boolean => {
      if (isRefusal(admission)) {
        call.refused()
        const error = refusalError(circuit, admission, {
          integration: name,
          method: call.method,
          url: call.redactedUrl,
          attempts: call.attempt,
        })
        handler.onResponseError?.(call.controller, error)
        return true
      }
      const own = new CircuitHandler(
        context,
        circuit,
        call,
        handler,
        isProbe(admission) ? admission : undefined,
      )
      return send(dispatch, call, callOptions, own)
    }

    /** A shared store has to grant a probe. */
    const waitFor = (
      admission: Promise<Admission>,
      circuit: Circuit,
      call: Call,
      callOptions: Dispatcher.DispatchOptions,
      handler: Dispatcher.DispatchHandler,
    ): boolean => {
      let over = false
      const stop = (): void => void (over = true)
      call.waiting = stop
      void admission.then((granted) => {
        if (over || call.finished) {
          if (isProbe(granted)) circuit.settle(granted, 'void')
          return
        }
        if (call.waiting === stop) call.waiting = undefined
        enter(circuit, granted, call, callOptions, handler)
      })
      return true
    }

    // no closure in here: what it captures would be allocated for each healthy call
    return (call, callOptions, handler) => {
      const circuit = circuitOf(call)
      if (circuit.passing) {
        if (call.attemptStartedAt > circuit.lastUsedAt) circuit.lastUsedAt = call.attemptStartedAt
        return send(
          dispatch,
          call,
          callOptions,
          new CircuitHandler(context, circuit, call, handler, undefined),
        )
      }
      const admission = circuit.admit(performance.now())
      return admission instanceof Promise
        ? waitFor(admission, circuit, call, callOptions, handler)
        : enter(circuit, admission, call, callOptions, handler)
    }
  })

  return Object.assign(breaker, {
    circuits,
    async close(): Promise<void> {
      stopReporting?.()
      await circuits.flush()
    },
  })
}

function keyOf(call: Call, key: (request: CallRequest) => string, reporter: Reporter): string {
  try {
    return stringOption('key', key(requestOf(call)))
  } catch (error) {
    reporter.hookFailed('key', error)
    return call.origin
  }
}
