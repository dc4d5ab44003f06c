import type { CallRequest } from '../call/call-request.ts'
import type { Outcome } from '../call/outcome.ts'
import { durationOption, functionOption, integerOption, numberOption, objectOption } from '../options.ts'
import type { CircuitPolicy } from './policy.ts'

export interface CircuitBreakerOptions {
  /** Failures within `windowMs` that open the circuit, if they are also `failureRate` of the requests. Default 5. */
  failureThreshold?: number
  /** The least share of failures among the requests of the window, 0 to 1. Default 0.5; 0 lets the count alone decide. */
  failureRate?: number
  /** How long a result counts, in milliseconds; forgotten in tenths. Default 30,000. */
  windowMs?: number
  /** Requests in the window before anything opens the circuit. Default: `failureThreshold`. */
  minimumRequests?: number
  /** How long the circuit stays open before it lets a probe through, in milliseconds. Default 30,000. */
  timeoutMs?: number
  /** The most that `timeoutMs` grows to: it doubles at each failed recovery. Default 300,000, or `timeoutMs` if longer. */
  maxTimeoutMs?: number
  /** Probes in flight at once when half-open, over all processes that share the store, and successes that close. Default 2. */
  halfOpenMaxAttempts?: number
  /**
   * A response whose headers take this long, in milliseconds, is slow. Slow calls of the share `slowCallRate` open the
   * circuit, and a slow probe has failed. Default: slow calls do not count.
   */
  slowCallMs?: number
  /** The share of slow calls among the requests of the window, above 0 to 1. Default 0.5. Needs `slowCallMs`. */
  slowCallRate?: number
  /**
   * Processes that must have seen failures within the window before a shared circuit opens, 1 to 64: above 1, one
   * process with a broken network cannot stop all. Default 1. Without a shared store, or while it is out of reach, each
   * process decides for itself.
   */
  quorum?: number
  /**
   * The longest time of a probe until its response headers, in milliseconds; then it is aborted with a
   * `RequestTimeoutError` and has failed. A probe is a call of your application: a value below what the API may
   * legitimately take loses calls and keeps the circuit from closing. Default 300,000, at which undici's own
   * `headersTimeout` would end it. An attempt timeout bounds probes as well.
   */
  probeTimeoutMs?: number
  /** Which circuit a request belongs to. Default: its origin. A hook that throws counts as the default. */
  key?: (request: CallRequest) => string
  /**
   * Whether an outcome counts against the circuit. Default: network errors, timeouts and statuses of 500 and more, or
   * what `classify` said. Cancellations by the caller never get here.
   */
  isFailure?: (outcome: Outcome) => boolean
}

/** Circuit breaker options, checked, with every default filled in. */
export interface CircuitBreakerSettings {
  readonly policy: CircuitPolicy
  readonly key: ((request: CallRequest) => string) | undefined
  /** `undefined`: the default, `isCircuitFailure`. */
  readonly isFailure: ((outcome: Outcome) => boolean) | undefined
}

export const circuitBreakerOptionNames: readonly (keyof CircuitBreakerOptions)[] = [
  'failureThreshold',
  'failureRate',
  'windowMs',
  'minimumRequests',
  'timeoutMs',
  'maxTimeoutMs',
  'halfOpenMaxAttempts',
  'slowCallMs',
  'slowCallRate',
  'quorum',
  'probeTimeoutMs',
  'key',
  'isFailure',
]

/** The lease of a probe whose process is alive is renewed three times as often. */
const LEASE_MS = 10_000

/**
 * Checks options and fills in the defaults.
 * @throws TypeError, RangeError naming option, bound and value
 */
export function resolveCircuitBreakerOptions(options: CircuitBreakerOptions): CircuitBreakerSettings {
  objectOption('circuitBreaker', options, circuitBreakerOptionNames)
  const failureThreshold = integerOption('failureThreshold', options.failureThreshold ?? 5, { min: 1 })
  const timeoutMs = durationOption('timeoutMs', options.timeoutMs ?? 30_000, 1)
  const maxTimeoutMs = durationOption(
    'maxTimeoutMs',
    options.maxTimeoutMs ?? Math.max(300_000, timeoutMs),
    timeoutMs,
  )
  if (options.slowCallRate !== undefined && options.slowCallMs === undefined) {
    throw new TypeError(`\`slowCallRate\` needs \`slowCallMs\`, got ${options.slowCallRate} without it`)
  }
  const slow = options.slowCallMs !== undefined
  const slowCallRate = numberOption('slowCallRate', options.slowCallRate ?? 0.5, { min: 0, max: 1 })
  if (slowCallRate === 0) throw new RangeError('`slowCallRate` must be a number > 0 and <= 1, got 0')
  return {
    policy: {
      failureThreshold,
      failureRate: numberOption('failureRate', options.failureRate ?? 0.5, { min: 0, max: 1 }),
      windowMs: durationOption('windowMs', options.windowMs ?? 30_000, 1),
      minimumRequests: integerOption('minimumRequests', options.minimumRequests ?? failureThreshold, {
        min: 1,
      }),
      timeoutMs,
      maxTimeoutMs,
      halfOpenMaxAttempts: integerOption('halfOpenMaxAttempts', options.halfOpenMaxAttempts ?? 2, {
        min: 1,
        max: 100,
      }),
      slowCallMs: slow ? durationOption('slowCallMs', options.slowCallMs, 1) : Infinity,
      slowCallRate: slow ? slowCallRate : 0,
      quorum: integerOption('quorum', options.quorum ?? 1, { min: 1, max: 64 }),
      probeTimeoutMs: durationOption('probeTimeoutMs', options.probeTimeoutMs ?? 300_000, 1),
      leaseMs: LEASE_MS,
    },
    key: functionOption('key', options.key),
    isFailure: functionOption('isFailure', options.isFailure),
  }
}
