import { type Checks, optional, resolveGiven, resolveOptions, withDefault } from '../checks.ts'
import { addCallerStack } from '../errors.ts'
import { isAbort } from '../http/error-status.ts'
import { errorOutcome } from '../http/outcome.ts'
import { integrationOption, signalOption, stringOption, workOption } from '../options.ts'
import { storeOption } from '../store.ts'
import type { CircuitStateName } from '../telemetry/channels.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import { go, type Probe, refusalError } from './admission.ts'
import { attemptResult } from './attempt-result.ts'
import { ChangeLog } from './change-log.ts'
import type { Circuit } from './circuit.ts'
import { HeldFunctions } from './line/held-function.ts'
import { localCircuits } from './local-circuits.ts'
import type { ProbeResult } from './machine/machine.ts'
import {
  type CircuitBreakerOptions,
  type CircuitBreakerPolicy,
  circuitBreakerSettings,
  type CircuitBreakerSettings,
  circuitChecks,
} from './options.ts'
import { DEFAULT_MAX_CIRCUITS } from './registry.ts'
import { RunningProbe } from './running-probe.ts'
import type { CircuitSnapshot, CircuitStore } from './store.ts'

/** Options of `CircuitBreaker`. */
export interface CircuitBreakerConfig extends Omit<CircuitBreakerOptions, 'key'> {
  /** The label in errors and logs. Default 'default'. */
  integration?: string | undefined
  /** Names the circuit: breakers of equal key and store share it, over all processes. Default: `integration`. */
  key?: string | undefined
  /** Where the circuit is kept: `memoryStore()`, `redisStore(redis)`. Default: in this breaker. */
  store?: { readonly circuits: CircuitStore } | undefined
  /** Logs of transitions, and of the store's loss and return. */
  logger?: Logger | undefined
}

/** Options of one `execute`. */
export interface ExecuteOptions {
  /** The caller's own: when it aborts, `execute` rejects at once with its reason and nothing is counted. */
  signal?: AbortSignal | undefined
}

/** What the work is told. */
export interface ExecuteContext {
  /** Aborted with `options.signal`, and when a probe has taken `probeTimeoutMs`. */
  readonly signal: AbortSignal
}

interface ConfigPolicy extends Omit<CircuitBreakerPolicy, 'key'> {
  readonly integration: string
  readonly key: string
  readonly store: { readonly circuits: CircuitStore } | undefined
  readonly logger: Logger | undefined
}

const configChecks: Checks<CircuitBreakerConfig, ConfigPolicy> = {
  ...circuitChecks,
  integration: withDefault(integrationOption, 'default'),
  key: withDefault(stringOption, ({ integration }) => integration),
  store: optional((name, value) => storeOption(name, value, 'circuits')),
  logger: loggerOption,
}

const executeChecks: Checks<ExecuteOptions, { readonly signal: AbortSignal | undefined }> = {
  signal: signalOption,
}

/**
 * A circuit around work that is not a fetch: an SDK call, a query. The same circuits as those of the `circuitBreaker`
 * interceptor. What resolves is a success. What rejects is a failure, except errors that carry a status (`statusCode`,
 * `status`, `response.status`, `response.statusCode`) below 500, an `AbortError`, and whatever `isFailure` says of it.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const breaker = new CircuitBreaker({ integration: 'crm-sdk', failureThreshold: 3 })
 * const contact = await breaker.execute(({ signal }) => sdk.getContact(id, { signal }))
 */
export class CircuitBreaker {
  readonly integration: string
  /** The circuit's key. */
  readonly key: string
  readonly #settings: CircuitBreakerSettings
  readonly #circuits: CircuitStore
  readonly #reporter: Reporter
  readonly #log: ChangeLog | undefined
  readonly #held: HeldFunctions

  constructor(options: CircuitBreakerConfig = {}) {
    const { integration, key, store, logger, ...policy } = resolveOptions(
      'CircuitBreaker',
      configChecks,
      options,
    )
    this.#settings = circuitBreakerSettings({ ...policy, key: undefined })
    this.integration = integration
    this.key = key
    this.#circuits = store?.circuits ?? localCircuits(DEFAULT_MAX_CIRCUITS)
    this.#reporter = new Reporter(integration, logger)
    this.#held = new HeldFunctions(integration)
    this.#log = logger === undefined ? undefined : new ChangeLog(this.#circuits, this.#reporter)
    // so that `state` and an operator override know the options from the start
    this.#circuit()
  }

  get state(): CircuitStateName {
    return this.snapshot().state
  }

  /** The state with its numbers. */
  snapshot(): CircuitSnapshot {
    return this.#circuits.state(this.key)
  }

  /**
   * Runs `fn` if the circuit lets it through.
   * @returns what `fn` returned
   * @throws CircuitBreakerOpenError when it does not, with `retryAfterMs`; `signal.reason` after an abort; a
   * RequestTimeoutError for a probe that took `probeTimeoutMs`; else the error of `fn` as it was
   */
  async execute<T>(
    fn: (context: ExecuteContext) => T | PromiseLike<T>,
    options: ExecuteOptions = {},
  ): Promise<T> {
    workOption('fn', fn)
    const { signal } = resolveGiven('execute', executeChecks, options)
    signal?.throwIfAborted()
    const circuit = this.#circuit()
    const now = performance.now()
    const admission = circuit.passing ? go : await this.#held.admitted(circuit, now, signal)
    if (admission.kind === 'refused') {
      throw refusalError(circuit, admission, { integration: this.integration, attempts: 0 })
    }
    circuit.lastUsedAt = Math.max(circuit.lastUsedAt, now)
    return await this.#run(fn, circuit, admission.kind === 'probe' ? admission : undefined, signal)
  }

  /** Refuses everything until `reset`, in all processes that share the store. */
  isolate(): Promise<void> {
    return this.#circuits.isolate(this.key)
  }

  /** Admits everything until `reset`, whatever fails. */
  forceClose(): Promise<void> {
    return this.#circuits.forceClose(this.key)
  }

  /** Closes the circuit, ends an override and forgets what was counted. */
  reset(): Promise<void> {
    return this.#circuits.reset(this.key)
  }

  /** Ends the waits of calls with a `ShutdownError`, hands on what was counted and ends the logging. The store stays open. */
  async close(): Promise<void> {
    this.#held.close()
    this.#log?.close()
    await this.#circuits.flush()
  }

  #circuit(): Circuit {
    return this.#circuits.circuit(this.key, this.#settings.policy, this.#log)
  }

  async #run<T>(
    fn: (context: ExecuteContext) => T | PromiseLike<T>,
    circuit: Circuit,
    probe: Probe | undefined,
    outer: AbortSignal | undefined,
  ): Promise<T> {
    const { policy } = this.#settings
    const { generation } = circuit
    const startedAt = performance.now()
    const controller = new AbortController()
    const ended = rejection()
    const end = (reason: unknown): void => {
      controller.abort(reason)
      ended.reject(reason)
    }
    const onAbort = (): void => end(outer?.reason)
    outer?.addEventListener('abort', onAbort, { once: true })
    const errorContext = { integration: this.integration, attempts: 1 }
    const running =
      probe === undefined
        ? undefined
        : new RunningProbe(circuit, probe, { errorContext: () => errorContext, onTimeout: end })
    let result: ProbeResult = 'ok'
    try {
      return await Promise.race([fn({ signal: controller.signal }), ended.promise])
    } catch (error) {
      result = outer?.aborted === true || isAbort(error) ? 'void' : this.#resultOf(error)
      throw error === controller.signal.reason && error !== outer?.reason ? addCallerStack(error) : error
    } finally {
      outer?.removeEventListener('abort', onAbort)
      const slow = performance.now() - startedAt >= policy.slowCallMs
      if (running === undefined) circuit.record(generation, result, slow)
      else running.end(result, slow)
    }
  }

  #resultOf(error: unknown): ProbeResult {
    return attemptResult(errorOutcome(error, true), this.#settings, this.#reporter)
  }
}

/** A promise that only ever rejects, without an unhandledRejection when nobody waits for it any more. */
function rejection(): PromiseWithResolvers<never> {
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => undefined)
  return ended
}
