import type { Dispatcher } from 'undici'
import type { Attempt } from '../call/attempt.ts'
import { type CallRequest, requestOf } from '../call/call-request.ts'
import type { Call } from '../call/call.ts'
import { interceptor, type Layer, type LayerInterceptor, send, stacked } from '../call/layer.ts'
import type { TimeLimit } from '../call/time-limit.ts'
import { Waits } from '../call/wait.ts'
import { type Checks, optional, resolveOptions, withDefault } from '../checks.ts'
import { integrationOption, stringOption } from '../options.ts'
import { storeOption } from '../store.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import type { Granted } from './admission.ts'
import { ChangeLog } from './change-log.ts'
import type { Circuit } from './circuit.ts'
import { CircuitHandler, type HandlerContext } from './handler.ts'
import { HeldAttempt, type HeldContext } from './line/held-attempt.ts'
import { localCircuits } from './local-circuits.ts'
import {
  circuitBreakerChecks,
  type CircuitBreakerOptions,
  type CircuitBreakerPolicy,
  circuitBreakerSettings,
  type CircuitBreakerSettings,
} from './options.ts'
import { DEFAULT_MAX_CIRCUITS } from './registry.ts'
import type { Circuits, CircuitStore } from './store.ts'

export type { CircuitBreakerOptions } from './options.ts'
export type { Circuits, CircuitSnapshot, CircuitStore, CircuitStoreChange } from './store.ts'

/** Options of `circuitBreaker` used by itself. */
export interface CircuitBreakerInterceptorOptions extends CircuitBreakerOptions {
  /** The label in errors and logs. Default 'default'. */
  integration?: string | undefined
  /** Where circuits are kept: `memoryStore()`, `redisStore(redis)`. Default: in this process, for this breaker alone. */
  store?: { readonly circuits: CircuitStore } | undefined
  /** Logs of transitions, and of the store's loss and return. */
  logger?: Logger | undefined
}

/** The interceptor, and its circuits. */
export interface CircuitBreakerInterceptor extends Dispatcher.DispatcherComposeInterceptor {
  readonly circuits: Circuits
  /** Ends the waits of calls, hands on what was counted and ends the logging. The store stays open. */
  close(): Promise<void>
}

/**
 * Stops calling what keeps failing: after enough failures in a window calls are refused at once with a
 * `CircuitBreakerOpenError`, until after `timeoutMs` a few probes find that it works again. One circuit per origin
 * unless `key` says otherwise; none for a request without either. Place it inside `retry`, so that it sees every attempt.
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
  const { integration, store, logger, ...policy } = resolveOptions(
    'circuitBreaker',
    interceptorChecks,
    options,
  )
  const circuits = store?.circuits ?? localCircuits(DEFAULT_MAX_CIRCUITS)
  return circuitBreakerInterceptor(
    circuitBreakerSettings(policy),
    circuits,
    new Reporter(integration, logger),
  )
}

interface InterceptorPolicy extends CircuitBreakerPolicy {
  readonly integration: string
  readonly store: { readonly circuits: CircuitStore } | undefined
  readonly logger: Logger | undefined
}

const interceptorChecks: Checks<CircuitBreakerInterceptorOptions, InterceptorPolicy> = {
  ...circuitBreakerChecks,
  integration: withDefault(integrationOption, 'default'),
  store: optional((name, value) => storeOption(name, value, 'circuits')),
  logger: loggerOption,
}

/** The layer of a stack. */
interface CircuitBreakerLayer extends CircuitBreakerInterceptor, LayerInterceptor {
  /**
   * The same breaker, whose handlers keep attempts to their time as well.
   * @param timeout does so where a request has no circuit
   */
  timed(limit: TimeLimit, timeout: LayerInterceptor): LayerInterceptor
}

/** The interceptor of options that are already checked. */
export function circuitBreakerInterceptor(
  settings: CircuitBreakerSettings,
  circuits: CircuitStore,
  reporter: Reporter,
): CircuitBreakerLayer {
  const { integration } = reporter
  const log = reporter.logs ? new ChangeLog(circuits, reporter) : undefined
  const { policy, key } = settings
  const plain = settings.isFailure === undefined && policy.slowCallMs === Infinity

  const waits = new Waits(integration)
  const held: HeldContext = { integration, waits }

  const warnOnce = withoutCircuit()

  // nearly always that of the next call too
  let last: Circuit | undefined
  const circuitOf = (call: Call): Circuit | undefined => {
    const name = key === undefined ? call.origin : reporter.guard('key', call.origin, madeKey, key, call)
    if (last !== undefined && last.key === name && !last.evicted) return last
    last = name === '' ? undefined : circuits.circuit(name, policy, log)
    if (last === undefined) warnOnce(call)
    return last
  }

  const layerWith = (limit: TimeLimit | undefined, next: Layer, withoutCircuit: Layer): Layer => {
    const context: HandlerContext = { settings, reporter, plain, limit }

    const hold = (
      circuit: Circuit,
      attempt: Attempt,
      callOptions: Dispatcher.DispatchOptions,
      handler: Dispatcher.DispatchHandler,
    ): boolean => {
      const go = (granted: Granted): boolean => {
        const probe = granted.kind === 'probe' ? granted : undefined
        const own = new CircuitHandler(context, circuit, attempt, handler, probe)
        return send(next, attempt, callOptions, own)
      }
      return new HeldAttempt(held, circuit, attempt, handler, go).enter()
    }

    // no closure in here: what it captures would be allocated for each healthy call
    return (attempt, callOptions, handler) => {
      const circuit = circuitOf(attempt.call)
      if (circuit === undefined) return withoutCircuit(attempt, callOptions, handler)
      if (circuit.passing) {
        if (attempt.startedAt > circuit.lastUsedAt) circuit.lastUsedAt = attempt.startedAt
        return next(attempt, callOptions, new CircuitHandler(context, circuit, attempt, handler, undefined))
      }
      return hold(circuit, attempt, callOptions, handler)
    }
  }

  return Object.assign(
    interceptor(integration, (next) => layerWith(undefined, next, next)),
    {
      circuits,
      timed: (limit: TimeLimit, timeout: LayerInterceptor) =>
        interceptor(integration, (next) => layerWith(limit, next, stacked([timeout])(next))),
      async close(): Promise<void> {
        waits.close()
        log?.close()
        await circuits.flush()
      },
    },
  )
}

/**
 * All calls whose origin nobody tells would share one circuit, and one provider's outage would stop the calls to the
 * others. So they have none, and it is said once.
 */
function withoutCircuit(): (call: Call) => void {
  let told = false
  return ({ method, redactedUrl }) => {
    if (told) return
    told = true
    process.emitWarning(
      `${method} ${redactedUrl} has no origin, and so no circuit: ask by url or with \`origin\`, compose each pool of a ` +
        'BalancedPool in its `factory`, or name the circuit by `circuitBreaker.key`',
      'ResilienceWarning',
    )
  }
}

function madeKey(make: (request: CallRequest) => string, call: Call): string {
  return stringOption('key', make(requestOf(call)))
}
