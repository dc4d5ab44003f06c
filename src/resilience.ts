import type { Dispatcher } from 'undici'
import { circuitBreaker, type CircuitBreakerOptions, type Circuits } from './circuit/interceptor.ts'
import { classification } from './classification/interceptor.ts'
import { type Classify, type InspectBodyOptions, resolveClassification } from './classification/options.ts'
import { deadLetter, type DeadLetterOptions } from './dead-letter/interceptor.ts'
import type { DeadLetterStore } from './dead-letter/store.ts'
import { durationOption, objectOption, shown, stringOption } from './options.ts'
import { retry } from './retry/interceptor.ts'
import type { RetryOptions } from './retry/options.ts'
import { memoryStore } from './stores/memory/memory-store.ts'
import type { ResilienceStore } from './store.ts'
import { type Logger, loggerOption, Reporter } from './telemetry/reporter.ts'
import { timeoutInterceptor } from './timeout/interceptor.ts'

export interface ResilienceOptions {
  /** The integration: a label on errors, events, logs and dead letters ('hubspot'). Default 'default'. */
  name?: string
  /** Where circuits and dead letters are kept. Default: `memoryStore()`, in this process. */
  store?: ResilienceStore
  /** Retry options; `false` turns retries off. */
  retry?: RetryOptions | false
  /** Circuit breaker options; `false` turns it off. */
  circuitBreaker?: CircuitBreakerOptions | false
  /** Dead letter options; `false` turns capture off. */
  deadLetter?: DeadLetterOptions | false
  /** The longest time of one attempt until its response headers, in milliseconds. Default: none. */
  attemptTimeoutMs?: number
  /** The longest time of a call with all attempts and waits until the final headers, in milliseconds. Default: none. */
  totalTimeoutMs?: number
  /** Says what a response means where its status alone does not; one answer for breaker, retry and dead letter. */
  classify?: Classify
  /** Which responses are held until `classify` has seen the start of their body. */
  inspectBody?: InspectBodyOptions
  /** pino, or anything with `info`, `warn` and `error`: structured logs of every retry, trip, recovery and capture. */
  logger?: Logger
}

export const resilienceOptionNames: readonly (keyof ResilienceOptions)[] = [
  'name',
  'store',
  'retry',
  'circuitBreaker',
  'deadLetter',
  'attemptTimeoutMs',
  'totalTimeoutMs',
  'classify',
  'inspectBody',
  'logger',
]

/** The interceptor, and what it holds. */
export interface ResilienceStack extends Dispatcher.DispatcherComposeInterceptor {
  /** The `name` option. */
  readonly integration: string
  /** The state of the circuits, and the operator's hand on them. */
  readonly circuits: Circuits
  /** What finally failed, up to the call that has just returned: a look waits for captures on their way (at most 2 s). */
  readonly deadLetters: DeadLetterStore
  /**
   * Writes down what was captured and counted, and releases timers: the process can exit. Closes the store only if the
   * stack made it itself. Calls after it still work, uncaptured.
   * @param options.timeoutMs the longest wait, in milliseconds. Default 5,000.
   */
  close(options?: { timeoutMs?: number }): Promise<void>
}

/**
 * The standard stack for any dispatcher. From the outside in: dead letter > total timeout > retry > circuit breaker >
 * attempt timeout. So the breaker sees every attempt, an open circuit ends the retries, and the dead letter knows the
 * whole story.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const stack = resilience({ name: 'hubspot', store: redisStore(redis) })
 * setGlobalDispatcher(new Agent().compose(stack))
 */
export function resilience(options: ResilienceOptions = {}): ResilienceStack {
  objectOption('resilience', options, resilienceOptionNames)
  const name = stringOption('name', options.name ?? 'default')
  const logger = loggerOption('logger', options.logger)
  if (options.inspectBody !== undefined && options.classify === undefined) {
    throw new TypeError('`inspectBody` needs `classify`, which looks at the body; got no `classify`')
  }
  if (options.attemptTimeoutMs !== undefined && options.totalTimeoutMs !== undefined) {
    durationOption('attemptTimeoutMs', options.attemptTimeoutMs, 1)
    durationOption('totalTimeoutMs', options.totalTimeoutMs, options.attemptTimeoutMs)
  }
  const ownStore = options.store === undefined
  const store = storeOption(options.store) ?? memoryStore()
  const common = { name, ...(logger === undefined ? {} : { logger }) }

  // from the inside out
  const layers: Dispatcher.DispatcherComposeInterceptor[] = []
  if (options.attemptTimeoutMs !== undefined) {
    const ms = durationOption('attemptTimeoutMs', options.attemptTimeoutMs, 1)
    layers.push(timeoutInterceptor({ ms, untilEnd: false, name, scope: 'attempt' }))
  }
  if (options.classify !== undefined) {
    const policy = resolveClassification(options.classify, options.inspectBody)
    layers.push(classification(policy, new Reporter(name, logger)))
  }
  const breaker =
    options.circuitBreaker === false
      ? undefined
      : circuitBreaker({ ...options.circuitBreaker, ...common, store })
  if (breaker !== undefined) layers.push(breaker)
  if (options.retry !== false) layers.push(retry({ ...options.retry, ...common }))
  if (options.totalTimeoutMs !== undefined) {
    const ms = durationOption('totalTimeoutMs', options.totalTimeoutMs, 1)
    layers.push(timeoutInterceptor({ ms, untilEnd: false, name, scope: 'call' }))
  }
  const letters =
    options.deadLetter === false ? undefined : deadLetter({ ...options.deadLetter, ...common, store })
  if (letters !== undefined) layers.push(letters)

  const stack: Dispatcher.DispatcherComposeInterceptor = (dispatch) =>
    layers.reduce((inner, layer) => layer(inner), dispatch)
  return Object.assign(stack, {
    integration: name,
    circuits: store.circuits,
    deadLetters: letters?.deadLetters ?? store.deadLetters,
    async close(closing: { timeoutMs?: number } = {}): Promise<void> {
      await Promise.all([letters?.close(closing), breaker?.close()])
      // Memory has nothing to end, and what was captured stays readable.
      if (ownStore) await store.circuits.close()
    },
  })
}

function storeOption(store: ResilienceStore | undefined): ResilienceStore | undefined {
  if (store === undefined) return undefined
  for (const part of ['circuits', 'deadLetters'] as const) {
    if (typeof (store as Partial<ResilienceStore> | null)?.[part] !== 'object') {
      throw new TypeError(
        `\`store\` must have \`circuits\` and \`deadLetters\`, as redisStore() and memoryStore() have; got ${shown(store)}`,
      )
    }
  }
  return store
}
