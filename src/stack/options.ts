import { bulkheadChecks, type BulkheadOptions, type BulkheadPolicy } from '../bulkhead/options.ts'
import { type Checks, duration, layer, needs, object, ofOption, optional, withDefault } from '../checks.ts'
import {
  circuitBreakerChecks,
  type CircuitBreakerOptions,
  circuitBreakerSettings,
  type CircuitBreakerSettings,
} from '../circuit/options.ts'
import {
  type Classify,
  type InspectBodyOptions,
  inspectBodyChecks,
  type InspectBodyPolicy,
} from '../classification/options.ts'
import { deadLetterChecks, type DeadLetterOptions, type DeadLetterPolicy } from '../dead-letter/options.ts'
import { hookOption, integrationOption } from '../options.ts'
import { rateLimitChecks, type RateLimitOptions, type RateLimitPolicy } from '../rate-limit/options.ts'
import { retryChecks, type RetryOptions, type RetryPolicy } from '../retry/options.ts'
import { type ResilienceStore, storeOption } from '../store.ts'
import { type Logger, loggerOption } from '../telemetry/reporter.ts'
import { untilCheck } from '../timeout/options.ts'

/** Options of `resilience()`, and of all that is built on it. */
export interface ResilienceOptions {
  /** The integration: a label on errors, events, logs and dead letters ('hubspot'). Default 'default'. */
  integration?: string | undefined
  /** Where circuits, limits and dead letters are kept. Default: `memoryStore()`, in this process. */
  store?: ResilienceStore | undefined
  /** Retry options; `false` turns retries off. */
  retry?: RetryOptions | false | undefined
  /** Circuit breaker options; `false` turns it off. */
  circuitBreaker?: CircuitBreakerOptions | false | undefined
  /** Rate limit options; without `limits` calls wait only where the provider asked for it. `false` turns that off too. */
  rateLimit?: RateLimitOptions | false | undefined
  /** Bulkhead options: bounds the attempts in flight per origin. Default: none, which `false` says too. */
  bulkhead?: BulkheadOptions | false | undefined
  /** Dead letter options; `false` turns capture off. */
  deadLetter?: DeadLetterOptions | false | undefined
  /** The longest time of one attempt until its response headers, in milliseconds. Default: none. */
  attemptTimeoutMs?: number | undefined
  /** The longest time of a call with all attempts and waits until the final headers, in milliseconds. Default: none. */
  totalTimeoutMs?: number | undefined
  /** What `totalTimeoutMs` ends at: the headers of the final response (default), or the end of its body. */
  totalTimeoutUntil?: 'headers' | 'end' | undefined
  /** Says what a response means where its status alone does not; one answer for breaker, retry and dead letter. */
  classify?: Classify | undefined
  /** Which responses are held until `classify` has seen the start of their body. */
  inspectBody?: InspectBodyOptions | undefined
  /** pino, or anything with `info`, `warn` and `error`: structured logs of every retry, trip, recovery and capture. */
  logger?: Logger | undefined
}

/** The options of a stack with every default filled in, those of its layers included. */
export interface ResiliencePolicy {
  readonly integration: string
  /** `undefined`: in memory. */
  readonly store:
    (Pick<ResilienceStore, 'circuits' | 'deadLetters'> & Partial<Pick<ResilienceStore, 'limits'>>) | undefined
  readonly retry: RetryPolicy | false
  readonly circuitBreaker: CircuitBreakerSettings | false
  readonly rateLimit: RateLimitPolicy | false
  readonly bulkhead: BulkheadPolicy | false
  readonly deadLetter: DeadLetterPolicy | false
  readonly attemptTimeoutMs: number | undefined
  readonly totalTimeoutMs: number | undefined
  readonly totalTimeoutUntil: 'headers' | 'end'
  readonly classify: Classify | undefined
  readonly inspectBody: InspectBodyPolicy | undefined
  readonly logger: Logger | undefined
}

/** The options of a stack: each with its bound and its default. */
export const resilienceChecks: Checks<ResilienceOptions, ResiliencePolicy> = {
  integration: withDefault(integrationOption, 'default'),
  store: optional((name, value) => storeOption(name, value, 'circuits', 'deadLetters')),
  retry: layer(retryChecks),
  circuitBreaker: layer(circuitBreakerChecks, circuitBreakerSettings),
  rateLimit: layer(rateLimitChecks),
  bulkhead: withDefault(layer(bulkheadChecks), false),
  deadLetter: layer(deadLetterChecks),
  attemptTimeoutMs: optional(duration({ min: 1 })),
  totalTimeoutMs: optional(duration({ min: ofOption('attemptTimeoutMs', { otherwise: 1 }) })),
  totalTimeoutUntil: untilCheck,
  classify: hookOption,
  inspectBody: optional(needs('classify', object(inspectBodyChecks))),
  logger: loggerOption,
}
