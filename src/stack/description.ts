import type { CircuitBreakerSettings } from '../circuit/options.ts'
import { defaultRules } from '../dead-letter/record/redaction/rules.ts'
import type { ResiliencePolicy } from './options.ts'

/** The layers of a stack, as its description names them. */
export type LayerName =
  | 'deadLetter'
  | 'totalTimeout'
  | 'retry'
  | 'rateLimit'
  | 'bulkhead'
  | 'circuitBreaker'
  | 'classify'
  | 'attemptTimeout'

/** One layer of a stack. */
export interface LayerDescription {
  readonly name: LayerName
  /**
   * Its options with every default filled in, as plain values to print: a set is a list, a function
   * `'[function]'`, a store, a sink or the keys of `seal` the name of their class. What is not set is not there.
   */
  readonly options: Readonly<Record<string, unknown>>
}

/** What a stack does, as plain values: `stack.describe()`. */
export interface StackDescription {
  readonly integration: string
  /** Those that are on, from the outside in: a call comes to the first one first. */
  readonly layers: readonly LayerDescription[]
}

/** The description of a stack of these options, which are checked. */
export function describeStack(policy: ResiliencePolicy): StackDescription {
  const { attemptTimeoutMs, totalTimeoutMs, totalTimeoutUntil, classify, circuitBreaker, deadLetter } = policy
  const { url, ...redact } = deadLetter === false ? defaultRules : deadLetter.redact
  const inOrder: [LayerName, object | false | undefined][] = [
    ['deadLetter', deadLetter && { ...deadLetter, redact: { ...redact, ...url } }],
    ['totalTimeout', totalTimeoutMs !== undefined && { ms: totalTimeoutMs, until: totalTimeoutUntil }],
    ['retry', policy.retry],
    ['rateLimit', policy.rateLimit],
    ['bulkhead', policy.bulkhead],
    ['circuitBreaker', circuitBreaker && breakerOptions(circuitBreaker)],
    ['classify', classify && { classify, inspectBody: policy.inspectBody }],
    ['attemptTimeout', attemptTimeoutMs !== undefined && { ms: attemptTimeoutMs, until: 'headers' }],
  ]
  const layers = inOrder.flatMap(([name, options]) =>
    options === false || options === undefined ? [] : [{ name, options: plainObject(options) }],
  )
  return { integration: policy.integration, layers }
}

/** As flat as they are given; what no option names, or is not set, is not shown. */
function breakerOptions({ policy, ...hooks }: CircuitBreakerSettings): object {
  const { leaseMs: _leaseMs, slowCallMs, slowCallRate, ...options } = policy
  return { ...options, ...(slowCallMs === Infinity ? {} : { slowCallMs, slowCallRate }), ...hooks }
}

function plainObject(options: object): Record<string, unknown> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, plain(value)]))
}

function plain(value: unknown): unknown {
  if (typeof value === 'function') return '[function]'
  if (value instanceof RegExp) return String(value)
  if (Array.isArray(value) || value instanceof Set) return Array.from(value as Iterable<unknown>, plain)
  if (typeof value !== 'object' || value === null) return value
  // a client, a key: nothing of it is to be printed
  const made: unknown = Object.getPrototypeOf(value)
  return made === Object.prototype || made === null ? plainObject(value) : `[${value.constructor.name}]`
}
