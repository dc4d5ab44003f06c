import { AsyncLocalStorage } from 'node:async_hooks'
import { type Checks, duration, oneOf, optional } from '../checks.ts'
import { isIdempotencyKey } from '../http/idempotency-key.ts'
import { booleanOption, functionOption, shown, stringOption } from '../options.ts'
import type { Call } from './call.ts'
import { KeyedRequest } from './keyed-request.ts'

/** Options of one call; they travel beside `fetch`, whose `init` drops what it does not know. */
export interface CallOptions<Retry = unknown> {
  /**
   * Makes a call that is not idempotent by its method safe to retry: sent as the `Idempotency-Key` header with every
   * attempt and every replay. Only useful where the provider honours it. It is the key of one request, the first in
   * the scope that is not idempotent by its method: another one goes without, and is warned of once.
   */
  idempotencyKey?: string | undefined
  /** Put on the events, logs and the dead letter of this call. Merged over those of the stack. */
  labels?: Record<string, string> | undefined
  /** `false`: one attempt only. An object: laid over the stack's retry options for this call. */
  retry?: Retry | false | undefined
  /** `false`: this call is never captured as a dead letter. */
  deadLetter?: false | undefined
  /** Dead letters with the same key are replayed in the order of their capture. */
  orderingKey?: string | undefined
  /** The longest time of one attempt, in milliseconds, instead of the stack's. */
  attemptTimeoutMs?: number | undefined
  /** The longest time of the whole call, in milliseconds, instead of the stack's. */
  totalTimeoutMs?: number | undefined
  /** `false`: takes no permit and waits for no cool-down. */
  rateLimit?: false | undefined
  /** `false`: takes no slot of the bulkhead, and waits for none. */
  bulkhead?: false | undefined
  /** `background`: gets the permits that live calls leave. Replays are. Default 'live'. */
  priority?: 'live' | 'background' | undefined
  /**
   * Told the id of the call's dead letter, when it becomes one: before the caller has its response or error. The record is
   * written meanwhile: `dead-letter:durable` says when it is kept.
   */
  onCaptured?: ((id: string) => void) | undefined
}

/** What travels: the options, and for our own client a way to learn what became of the call. */
export interface CallScope extends CallOptions {
  onCall?: (call: Call) => void
  /** Whose `idempotencyKey` is. */
  keyed?: KeyedRequest | undefined
}

const storage = new AsyncLocalStorage<CallScope>()

/** Stays false until the first use, so that a process that never uses per-call options pays nothing for them. */
let used = false

export function currentCallScope(): CallScope | undefined {
  return used ? storage.getStore() : undefined
}

export function runInCallScope<T>(scope: CallScope, run: () => T): T {
  used = true
  const outer = storage.getStore()
  const merged: CallScope = { ...outer, ...scope }
  if (scope.idempotencyKey !== undefined) merged.keyed = new KeyedRequest(scope.idempotencyKey)
  if (isObject(outer?.retry) && isObject(scope.retry)) merged.retry = { ...outer.retry, ...scope.retry }
  if (outer?.labels !== undefined && scope.labels !== undefined) {
    merged.labels = { ...outer.labels, ...scope.labels }
  }
  return storage.run(merged, run)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Runs `run` as if no scope were around it. */
export function runOutsideCallScope<T>(run: () => T): T {
  return storage.run(undefined as unknown as CallScope, run)
}

/** The options of one call, but for those of its retries, which the retry room knows. */
export const callChecks: Checks<Omit<CallOptions, 'retry'>, Omit<CallOptions, 'retry'>> = {
  idempotencyKey: optional(idempotencyKeyOption),
  labels: optional(labelsOption),
  deadLetter: optional(onlyFalseOption),
  orderingKey: optional(stringOption),
  attemptTimeoutMs: optional(duration({ min: 1 })),
  totalTimeoutMs: optional(duration({ min: 1 })),
  rateLimit: optional(onlyFalseOption),
  bulkhead: optional(onlyFalseOption),
  priority: optional(oneOf('live', 'background')),
  onCaptured: functionOption,
}

/** `false`, which turns off for one call what the stack does. */
export function onlyFalseOption(name: string, value: unknown): false {
  if (booleanOption(name, value)) throw new RangeError(`\`${name}\` must be false or left out, got true`)
  return false
}

/** A key as it may stand in a header (RFC 9110, 5.5: visible ASCII here, since providers compare keys byte by byte). */
export function idempotencyKeyOption(name: string, value: unknown): string {
  const text = stringOption(name, value)
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new RangeError(`\`${name}\` must be visible ASCII without spaces, got ${JSON.stringify(text)}`)
  }
  if (isIdempotencyKey(text)) return text
  throw new RangeError(`\`${name}\` must be a key of this call alone, got ${JSON.stringify(text)}`)
}

export function labelsOption(name: string, value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`\`${name}\` must be an object of strings, got ${shown(value)}`)
  }
  for (const [label, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new TypeError(`\`${name}.${label}\` must be a string, got ${shown(text)}`)
    }
  }
  return value as Record<string, string>
}
