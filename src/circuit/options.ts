import type { CallRequest } from '../call/call-request.ts'
import { type Checks, duration, integer, number, ofOption, resolveOptions, withDefault } from '../checks.ts'
import type { Outcome } from '../http/outcome.ts'
import { hookOption, numberOption, shown } from '../options.ts'
import type { CircuitPolicy } from './machine/policy.ts'

/** When a circuit opens, who waits meanwhile, and what closes it. */
export interface CircuitBreakerOptions {
  /** Failures within `windowMs` that open the circuit, if the requests also carry `failureRate`. Default 10. */
  failureThreshold?: number | undefined
  /**
   * The share of failures that the requests of the window must carry surely, 0 to 1: at 99 % confidence (score test), or
   * all of them have failed. 19 of 20 are surely 0.7, 18 of 20 are not yet. Default 0.7; 0 lets the count alone decide.
   */
  failureRate?: number | undefined
  /** How long a result counts, in milliseconds; forgotten in tenths. Default 10,000. */
  windowMs?: number | undefined
  /** Requests in the window before anything opens the circuit. Default: `failureThreshold`. */
  minimumRequests?: number | undefined
  /** How long the circuit first stays open before it lets a probe through, in milliseconds. Default 1,000. */
  timeoutMs?: number | undefined
  /**
   * The most that `timeoutMs` grows to: it doubles at each failed recovery, and goes on where it was when the circuit
   * opens again within `windowMs` after closing. Default 30,000, or `timeoutMs` if longer.
   */
  maxTimeoutMs?: number | undefined
  /** Probes in flight at once when half-open, over all processes that share the store, and successes that close. Default 2. */
  halfOpenMaxAttempts?: number | undefined
  /**
   * The longest that a call waits for a circuit that is open for a short time, in milliseconds, over all its attempts;
   * then it is refused. Only openings no longer than this are waited out: with the defaults the first three in a row (1, 2
   * and 4 s). A waiting call uses up no attempt; no attempt timeout runs, the total timeout does. Any method may wait:
   * nothing was sent. Default 5,000; 0 refuses at once.
   */
  maxWaitMs?: number | undefined
  /** Calls of this process that wait for one circuit at once. Beyond it calls are refused at once. Default 250. */
  maxWaiting?: number | undefined
  /**
   * A response whose headers take this long, in milliseconds, is slow. Slow calls of the share `slowCallRate` open the
   * circuit, and a slow probe has failed. Default: slow calls do not count.
   */
  slowCallMs?: number | undefined
  /**
   * The share of slow calls that the requests of the window must carry as surely as `failureRate`, above 0 to 1. Default
   * 0.5. Needs `slowCallMs`.
   */
  slowCallRate?: number | undefined
  /**
   * Processes that must have seen failures within the window before a shared circuit opens, 1 to 64: above 1, one
   * process with a broken network cannot stop all. Default 1. Without a shared store, or while it is out of reach, each
   * process decides for itself.
   */
  quorum?: number | undefined
  /**
   * The longest time of a probe until its response headers, in milliseconds; then it is aborted with a
   * `RequestTimeoutError` and has failed. A probe is a call of your application: a value below what the API may
   * legitimately take loses calls and keeps the circuit from closing. Default 300,000, at which undici's own
   * `headersTimeout` would end it. An attempt timeout bounds probes as well.
   */
  probeTimeoutMs?: number | undefined
  /**
   * Which circuit a request belongs to. Default: its origin; a request without one (a BalancedPool that is asked by path)
   * has no circuit. A hook that throws counts as the default.
   */
  key?: ((request: CallRequest) => string) | undefined
  /**
   * Whether an outcome counts against the circuit. Default: network errors, timeouts and statuses of 500 and more, or
   * what `classify` said. Cancellations by the caller never get here.
   */
  isFailure?: ((outcome: Outcome) => boolean) | undefined
}

/** Circuit breaker options, checked, with every default filled in. */
export interface CircuitBreakerSettings {
  readonly policy: CircuitPolicy
  readonly key: ((request: CallRequest) => string) | undefined
  /** `undefined`: the default, `isCircuitFailure`. */
  readonly isFailure: ((outcome: Outcome) => boolean) | undefined
}

/** The lease of a probe whose process is alive is renewed three times as often. */
const LEASE_MS = 10_000

/** The options with every default filled in, as flat as they were given. */
export type CircuitBreakerPolicy = Omit<CircuitPolicy, 'leaseMs'> & Omit<CircuitBreakerSettings, 'policy'>

/** What a breaker for functions, which is one circuit, has as well. */
export const circuitChecks: Checks<Omit<CircuitBreakerOptions, 'key'>, Omit<CircuitBreakerPolicy, 'key'>> = {
  failureThreshold: withDefault(integer({ min: 1 }), 10),
  failureRate: withDefault(number({ max: 1 }), 0.7),
  windowMs: withDefault(duration({ min: 1 }), 10_000),
  minimumRequests: withDefault(integer({ min: 1 }), ({ failureThreshold }) => failureThreshold),
  timeoutMs: withDefault(duration({ min: 1 }), 1_000),
  maxTimeoutMs: withDefault(duration({ min: ofOption('timeoutMs') }), ({ timeoutMs }) =>
    Math.max(30_000, timeoutMs),
  ),
  halfOpenMaxAttempts: withDefault(integer({ min: 1, max: 100 }), 2),
  maxWaitMs: withDefault(duration(), 5_000),
  maxWaiting: withDefault(integer({ min: 1 }), 250),
  slowCallMs: withDefault(duration({ min: 1 }), Infinity),
  slowCallRate: withDefault(slowCallRateOption, ({ slowCallMs }) => (slowCallMs === Infinity ? 0 : 0.5)),
  quorum: withDefault(integer({ min: 1, max: 64 }), 1),
  probeTimeoutMs: withDefault(duration({ min: 1 }), 300_000),
  isFailure: hookOption,
}

/** The options of a circuit breaker: each with its bound and its default. */
export const circuitBreakerChecks: Checks<CircuitBreakerOptions, CircuitBreakerPolicy> = {
  ...circuitChecks,
  key: hookOption,
}

function slowCallRateOption(
  name: string,
  value: unknown,
  { slowCallMs }: Pick<CircuitPolicy, 'slowCallMs'>,
): number {
  if (slowCallMs === Infinity) {
    throw new TypeError(`\`${name}\` needs \`slowCallMs\`, got ${shown(value)} without it`)
  }
  const rate = numberOption(name, value, { min: 0, max: 1 })
  if (rate === 0) throw new RangeError(`\`${name}\` must be a number > 0 and <= 1, got 0`)
  return rate
}

/** The settings that the options make. */
export function circuitBreakerSettings({
  key,
  isFailure,
  ...policy
}: CircuitBreakerPolicy): CircuitBreakerSettings {
  return { policy: { ...policy, leaseMs: LEASE_MS }, key, isFailure }
}

/**
 * Checks options and fills in the defaults.
 * @throws TypeError, RangeError naming option, bound and value
 */
export function resolveCircuitBreakerOptions(options: CircuitBreakerOptions): CircuitBreakerSettings {
  return circuitBreakerSettings(resolveOptions('circuitBreaker', circuitBreakerChecks, options))
}
