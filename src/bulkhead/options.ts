import type { CallRequest } from '../call/call-request.ts'
import { type Checks, duration, integer, object, ofOption, oneOf, optional, withDefault } from '../checks.ts'
import { hookOption } from '../options.ts'

/** Where a bulkhead that follows its provider may go. */
export interface AdaptiveOptions {
  /** Attempts in flight that are let go however much the provider refuses, at most `max`. Default 1. */
  min?: number | undefined
  /** Attempts in flight however well it answers. Default `limit`, which it begins with. */
  max?: number | undefined
}

/** How many attempts may be in flight at once. */
export interface BulkheadOptions {
  /** Which slots a request uses. Default: those of its origin. */
  key?: ((request: CallRequest) => string) | undefined
  /** Attempts in flight per key and process, at least 1. Default 100. */
  limit?: number | undefined
  /**
   * Lets the bound follow the provider: less by a tenth when it refuses (429, 503) or does not answer in time, more by one
   * after as many answers as the bound is. Default: it does not move.
   */
  adaptive?: AdaptiveOptions | undefined
  /** Calls that wait for a slot, per key and process; more are refused. Default 1,000; 0 lets none wait. */
  maxQueue?: number | undefined
  /**
   * The longest that a call waits for slots, over all its attempts and with what it waited for permits and circuits, in
   * milliseconds. Default 10,000; 0 refuses whatever finds no slot. A total timeout bounds it as well: a call is refused
   * once less of it is left than twice the mean response time of the key.
   */
  maxWaitMs?: number | undefined
  /**
   * When a slot is free again: at the `headers` of the response (default), or at the `end` of its body, for providers that
   * count downloads. Then a body that nobody reads keeps its slot.
   */
  holdUntil?: 'headers' | 'end' | undefined
}

/** Bulkhead options, checked, with every default filled in. */
export interface BulkheadPolicy {
  readonly key: ((request: CallRequest) => string) | undefined
  readonly limit: number
  /** `undefined`: the limit does not move. */
  readonly adaptive: { readonly min: number; readonly max: number | undefined } | undefined
  readonly maxQueue: number
  readonly maxWaitMs: number
  readonly holdUntil: 'headers' | 'end'
}

const adaptiveChecks: Checks<AdaptiveOptions, { readonly min: number; readonly max: number | undefined }> = {
  min: withDefault(integer({ min: 1, max: ofOption('max', { otherwise: Infinity }) }), 1),
  max: optional(integer({ min: 1 })),
}

/** The options of a bulkhead: each with its bound and its default. */
export const bulkheadChecks: Checks<BulkheadOptions, BulkheadPolicy> = {
  key: hookOption,
  limit: withDefault(integer({ min: 1 }), 100),
  adaptive: optional(object(adaptiveChecks)),
  maxQueue: withDefault(integer(), 1_000),
  maxWaitMs: withDefault(duration(), 10_000),
  holdUntil: withDefault(oneOf('headers', 'end'), 'headers'),
}
