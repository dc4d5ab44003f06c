import { errorOutcome, isCircuitFailure, responseOutcome } from '../call/outcome.ts'
import { RequestTimeoutError } from '../errors.ts'
import { objectOption, stringOption } from '../options.ts'
import type { CircuitStateName } from '../telemetry/channels.ts'
import { type Logger, loggerOption, Reporter } from '../telemetry/reporter.ts'
import type { Admission, Circuit, Probe } from './circuit.ts'
import { localCircuits } from './local-circuits.ts'
import type { ProbeResult } from './machine.ts'
import {
  circuitBreakerOptionNames,
  type CircuitBreakerOptions,
  type CircuitBreakerSettings,
  resolveCircuitBreakerOptions,
} from './options.ts'
import { watchProbe } from './probe-watch.ts'
import { isProbe, isRefusal, refusalError } from './refusal.ts'
import { DEFAULT_MAX_CIRCUITS } from './registry.ts'
import { reportChanges } from './report-changes.ts'
import { circuitStoreOption, type CircuitSnapshot, type CircuitStore } from './store.ts'

export interface CircuitBreakerConfig extends Omit<CircuitBreakerOptions, 'key'> {
  /** Names the circuit: breakers of equal name and store share it, over all processes. Default 'default'. */
  name?: string
  /** Where the circuit is kept: `memoryStore()`, `redisStore(redis)`. Default: in this breaker. */
  store?: { readonly circuits: CircuitStore }
  /** Logs of transitions, and of the store's loss and return. */
  logger?: Logger
}

export interface ExecuteOptions {
  /** The caller's own: when it aborts, `execute` rejects at once with its reason and nothing is counted. */
  signal?: AbortSignal
}

/** What the work is told. */
export interface ExecuteContext {
  /** Aborted with `options.signal`, and when a probe has taken `probeTimeoutMs`. */
  readonly signal: AbortSignal
}

const optionNames = circuitBreakerOptionNames.filter((name) => name !== 'key')

/**
 * A circuit around work that is not a fetch: an SDK call, a query. The same circuits as those of the `circuitBreaker`
 * interceptor. What resolves is a success. What rejects is a failure, except errors that carry a status (`statusCode`,
 * `status`, `response.status`) below 500, an `AbortError`, and whatever `isFailure` says of it.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const breaker = new CircuitBreaker({ name: 'crm-sdk', failureThreshold: 3 })
 * const contact = await breaker.execute(({ signal }) => sdk.getContact(id, { signal }))
 */
export class CircuitBreaker {
  readonly name: string
  readonly #settings: CircuitBreakerSettings
  readonly #circuits: CircuitStore
  readonly #reporter: Reporter
  readonly #stopReporting: (() => void) | undefined

  constructor(options: CircuitBreakerConfig = {}) {
    objectOption('CircuitBreaker', options, [...optionNames, 'name', 'store', 'logger'])
    const { name, store, logger: givenLogger, ...own } = options
    this.#settings = resolveCircuitBreakerOptions(own)
    this.name = stringOption('name', name ?? 'default')
    const logger = loggerOption('logger', givenLogger)
    this.#circuits = circuitStoreOption('store', store) ?? localCircuits(DEFAULT_MAX_CIRCUITS)
    this.#reporter = new Reporter(this.name, logger)
    this.#stopReporting = logger === undefined ? undefined : reportChanges(this.#circuits, this.#reporter)
    // so that `state` and an operator's word know the options from the start
    this.#circuit()
  }

  get state(): CircuitStateName {
    return this.snapshot().state
  }

  /** The state with its numbers. */
  snapshot(): CircuitSnapshot {
    return this.#circuits.state(this.name)
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
    if (typeof fn !== 'function') throw new TypeError(`\`fn\` must be a function, got ${String(fn)}`)
    objectOption('execute', options, ['signal'])
    const { signal } = options
    signal?.throwIfAborted()
    const circuit = this.#circuit()
    const now = performance.now()
    const admission = circuit.passing ? undefined : await admitted(circuit, now, signal)
    if (isRefusal(admission)) throw refusalError(circuit, admission, { integration: this.name, attempts: 0 })
    circuit.lastUsedAt = Math.max(circuit.lastUsedAt, now)
    return await this.#run(fn, circuit, admission, signal)
  }

  /** Refuses everything until `reset`, in all processes that share the store. */
  isolate(): Promise<void> {
    return this.#circuits.isolate(this.name)
  }

  /** Admits everything until `reset`, whatever fails. */
  forceClose(): Promise<void> {
    return this.#circuits.forceClose(this.name)
  }

  /** Closes the circuit, ends an override and forgets what was counted. */
  reset(): Promise<void> {
    return this.#circuits.reset(this.name)
  }

  /** Hands on what was counted and ends the logging. The store stays open. */
  async close(): Promise<void> {
    this.#stopReporting?.()
    await this.#circuits.flush()
  }

  #circuit(): Circuit {
    return this.#circuits.circuit(this.name, this.#settings.policy)
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
    const ended = deferredRejection()
    const end = (reason: unknown): void => {
      controller.abort(reason)
      ended.reject(reason)
    }
    const onAbort = (): void => end(outer?.reason)
    outer?.addEventListener('abort', onAbort, { once: true })
    const { probeTimeoutMs } = policy
    const stopWatch =
      probe === undefined
        ? undefined
        : watchProbe(circuit, probe, () => end(this.#probeTimeout(probeTimeoutMs)))
    let result: ProbeResult = 'ok'
    try {
      return await Promise.race([fn({ signal: controller.signal }), ended.promise])
    } catch (error) {
      result = outer?.aborted === true || isAbort(error) ? 'void' : this.#resultOf(error)
      throw error
    } finally {
      stopWatch?.()
      outer?.removeEventListener('abort', onAbort)
      const slow = result !== 'void' && performance.now() - startedAt >= policy.slowCallMs
      if (probe !== undefined) circuit.settle(probe, slow ? 'fail' : result)
      else if (result === 'ok' && !slow) circuit.succeeded(generation)
      else if (result !== 'void') circuit.failed(generation, result === 'fail' ? 1 : 0, slow ? 1 : 0)
    }
  }

  #resultOf(error: unknown): ProbeResult {
    const outcome = errorOutcome(error instanceof Error ? error : new Error(String(error)), true)
    if (this.#settings.isFailure !== undefined) {
      try {
        return this.#settings.isFailure(outcome) ? 'fail' : 'ok'
      } catch (failure) {
        this.#reporter.hookFailed('isFailure', failure)
      }
    }
    const status = statusOf(error)
    if (status !== undefined) return isCircuitFailure(responseOutcome(status, {})) ? 'fail' : 'ok'
    // what is no failure says nothing of the work: the refusal of a circuit within, a bad argument
    return isCircuitFailure(outcome) ? 'fail' : 'void'
  }

  #probeTimeout(timeoutMs: number): RequestTimeoutError {
    const message = `the probe of the circuit ${this.name} took longer than ${timeoutMs} ms`
    return new RequestTimeoutError(message, {
      scope: 'attempt',
      timeoutMs,
      integration: this.name,
      attempts: 1,
    })
  }
}

/** Asks for admission; an abort ends the wait at once, and a probe granted too late goes back. */
async function admitted(circuit: Circuit, now: number, signal: AbortSignal | undefined): Promise<Admission> {
  const admission = circuit.admit(now)
  if (!(admission instanceof Promise) || signal === undefined) return admission
  const ended = deferredRejection()
  const onAbort = (): void => ended.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  void admission.then((granted) => {
    if (signal.aborted && isProbe(granted)) circuit.settle(granted, 'void')
  })
  try {
    const granted = await Promise.race([admission, ended.promise])
    signal.throwIfAborted()
    return granted
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** A promise that only ever rejects, without an unhandledRejection when nobody waits for it any more. */
function deferredRejection(): { promise: Promise<never>; reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => undefined
  const promise = new Promise<never>((_resolve, give) => {
    reject = give
  })
  promise.catch(() => undefined)
  return { promise, reject }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { statusCode, status, response } = error as {
    statusCode?: unknown
    status?: unknown
    response?: unknown
  }
  for (const value of [statusCode, status, (response as { status?: unknown } | null | undefined)?.status]) {
    if (typeof value === 'number' && Number.isInteger(value)) return value
  }
  return undefined
}
