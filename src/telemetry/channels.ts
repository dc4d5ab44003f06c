import { channel, type Channel } from 'node:diagnostics_channel'
import type { Delivery } from '../http/delivery.ts'

/** A call, from its start to the end of its response. */
export interface CallStartEvent {
  /** The same number on all start and end events of one call, and of no other call of this process. */
  id: number
  integration: string
  method: string
  /** Redacted. */
  url: string
  labels?: Readonly<Record<string, string>> | undefined
}

/** The end of a call, however it went. */
export interface CallDoneEvent extends CallStartEvent {
  /**
   * `response`: the caller has the whole response, whatever its status. `cancelled`: by the caller, which aborted, or whose
   * body or handler failed. `error`: any other end; the caller's own timeout is one.
   */
  outcome: 'response' | 'error' | 'cancelled'
  /** Attempts made; 0 when none was let through. */
  attempts: number
  /** From the start to the end of the response, in milliseconds. */
  durationMs: number
  statusCode?: number | undefined
  code?: string | undefined
  error?: Error | undefined
  /** Why no further attempt was made of a call that failed. */
  reason?: string | undefined
  /** Its record; that of a cancelled call too, where the caller left in the middle of a response that is captured. */
  deadLetterId?: string | undefined
}

/** An attempt is dispatched. */
export interface AttemptStartEvent extends CallStartEvent {
  /** The first is 1. */
  attempt: number
}

/** The end of an attempt; one that was not let through has an end, too. */
export interface AttemptDoneEvent extends AttemptStartEvent {
  /** `refused`: the circuit, a rate limit or a bulkhead did not let it through. */
  outcome: 'response' | 'error' | 'refused' | 'cancelled'
  /** From dispatch to the response's headers or the failure, in milliseconds. */
  durationMs: number
  statusCode?: number | undefined
  code?: string | undefined
  error?: Error | undefined
}

/** What the events of one call share. Urls are redacted; nothing here holds a secret. */
export interface CallEvent {
  integration: string
  method: string
  url: string
  /** Number of the attempt that the event is about; the first is 1, 0 when none was made. */
  attempt: number
  statusCode?: number | undefined
  /** Code of the network error or of ours: `ECONNRESET`, `ERR_TIMEOUT`. */
  code?: string | undefined
  labels?: Readonly<Record<string, string>> | undefined
}

/** An attempt failed in a way that another one may mend. */
export interface AttemptFailedEvent extends CallEvent {
  error?: Error | undefined
  /** Time from dispatch to failure, in milliseconds. */
  durationMs: number
}

/** Another attempt will be made, after `delayMs`. */
export interface RetryScheduledEvent extends CallEvent {
  /** Until it goes, in milliseconds, at least: it may wait for a circuit, a rate limit or a bulkhead then. */
  delayMs: number
  /** What the provider asked for, where it did. */
  retryAfterMs?: number | undefined
  /** Retries that the budget of the origin would let through after this one. */
  budgetLeft?: number | undefined
}

/** A call failed for good, after one attempt or several. */
export interface CallGivenUpEvent extends CallEvent {
  /** Why no further attempt is made: `exhausted`, `budget`, `not-repeatable`, `deadline`, ... */
  reason: string
  /** The reason in words, where it does not say it itself. */
  why?: string | undefined
  error?: Error | undefined
  /** The record of the call, where it is captured. */
  deadLetterId?: string | undefined
}

/** `open` admits no calls, `half-open` a few probes, `closed` all. */
export type CircuitStateName = 'closed' | 'open' | 'half-open'

/** A circuit went from one state to another, as this process sees it. */
export interface CircuitChangedEvent {
  /** By default the origin, and behind `#` a hash of the credentials with the presets of providers. */
  key: string
  from: CircuitStateName
  to: CircuitStateName
  /** Rises with each transition; the same number in every process that shares the circuit. */
  epoch: number
  /** Milliseconds until a probe may go, when `to` is open. */
  retryAfterMs?: number | undefined
  /** While an operator overrides the machine. */
  override?: 'isolated' | 'forced-closed' | undefined
  /** Whether this process made the transition: exactly one does. */
  here: boolean
}

/** A shared store is out of reach, or back. */
export interface StoreDegradedEvent {
  /** Which: `redis`, `postgres`. */
  store: string
  /** Out of reach: each process decides by itself. */
  degraded: boolean
  error?: Error | undefined
}

/** A call is to be kept. It is only once `dead-letter:durable` tells so. */
export interface DeadLetterCapturedEvent {
  id: string
  integration: string
  method: string
  /** Redacted. */
  url: string
  /** Why the call ended: `exhausted`, `circuit-open`, `deadline` ... */
  reason: string
  /** How sure it is that the server acted. */
  delivery: Delivery
  /** Attempts made; 0 when none was let through. */
  attempts: number
  /** Whether it can be sent again: not where its body, or its path, is not kept whole. */
  replayable: boolean
  /** Why not: `body-redacted`, `body-too-large`, `path-redacted`, ... */
  notReplayableReason?: string | undefined
  statusCode?: number | undefined
  code?: string | undefined
  labels?: Readonly<Record<string, string>> | undefined
}

/** A record, or the copy of it for a sink, is not kept, or no longer. */
export interface DeadLetterDroppedEvent {
  id: string
  integration: string
  /**
   * `queue-full`, `capture-failed`, `store-full`, `refused-by-store`, `sink-full`, `refused-by-sink`, `evicted`, `closed`, ...
   */
  reason: string
  /** The sink whose copy it was; the store may have the record. */
  sink?: string | undefined
  error?: Error | undefined
}

/** A record outlives the process now, as its store promises. */
export interface DeadLetterDurableEvent {
  id: string
  /** Where the record is now kept: the store, the spool until the store or the sink has it, or a sink. */
  where: 'store' | 'spool' | 'sink'
  /** The sink that has it, or whose copy it is. */
  sink?: string | undefined
}

/** What became of one entry in a replay. */
export interface ReplayEvent {
  id: string
  integration: string
  method: string
  /** Redacted. */
  url: string
  /** As in `onProgress`: `done`, `later`, `quarantined` ... */
  outcome: string
  /** Why, in one word: `outage`, `rate-limited`, `refused` ... */
  reason?: string | undefined
  /** Why, in a sentence: which header is missing, which circuit is open. */
  message?: string | undefined
  statusCode?: number | undefined
  error?: Error | undefined
}

/** A call waits for a permit, or for the end of a cool-down. */
export interface LimitWaitingEvent extends CallEvent {
  /** By default the origin, and behind `#` a hash of the request's credentials. */
  key: string
  /** How long it has to wait at least, as far as is known, in milliseconds. */
  retryAfterMs: number
}

/** A call was not sent: it could not have waited for so long. */
export interface LimitRefusedEvent extends LimitWaitingEvent {
  /** `provider`: a cool-down. `limiter`: no permit would have come in time. */
  refusedBy: 'provider' | 'limiter'
}

/** No call of the key goes for a while. Not told again when it becomes longer. */
export interface CooldownStartedEvent {
  key: string
  /** In milliseconds. */
  retryAfterMs: number
  /** That of the answer that asked for it; none where an operator or another process said so. */
  statusCode?: number | undefined
  /** Whether this process was asked. */
  here: boolean
}

/** A call waits for a slot of its bulkhead. */
export interface BulkheadWaitingEvent extends CallEvent {
  /** By default the origin. */
  key: string
  /** Attempts that may be in flight, now. */
  limit: number
  /** Calls of the key that wait, this one not counted. */
  waiting: number
}

/** A call was not sent: it found no slot. */
export interface BulkheadRefusedEvent extends BulkheadWaitingEvent {
  /** `full`: no room or time to wait for one. `too-late`: it could not have been answered in time. */
  why: 'full' | 'too-late'
}

/** A `diagnostics_channel` with the type of what it carries. */
export interface TypedChannel<T> {
  readonly name: string
  /** Ask before building an event: observation costs nothing when nobody listens. */
  readonly hasSubscribers: boolean
  publish(event: T): void
  subscribe(listener: (event: T, name: string | symbol) => void): void
  unsubscribe(listener: (event: T, name: string | symbol) => void): boolean
}

function typed<T>(name: string): TypedChannel<T> {
  return channel(`undici-resilience:${name}`) as unknown as TypedChannel<T> & Channel
}

/** The package's diagnostics channels; their names start with `undici-resilience:`. */
export const channels = {
  callStart: typed<CallStartEvent>('call:start'),
  callDone: typed<CallDoneEvent>('call:done'),
  attemptStart: typed<AttemptStartEvent>('attempt:start'),
  attemptDone: typed<AttemptDoneEvent>('attempt:done'),
  attemptFailed: typed<AttemptFailedEvent>('attempt:failed'),
  retryScheduled: typed<RetryScheduledEvent>('retry:scheduled'),
  callGivenUp: typed<CallGivenUpEvent>('call:given-up'),
  circuitChanged: typed<CircuitChangedEvent>('circuit:changed'),
  limitWaiting: typed<LimitWaitingEvent>('limit:waiting'),
  limitRefused: typed<LimitRefusedEvent>('limit:refused'),
  cooldownStarted: typed<CooldownStartedEvent>('cooldown:started'),
  bulkheadWaiting: typed<BulkheadWaitingEvent>('bulkhead:waiting'),
  bulkheadRefused: typed<BulkheadRefusedEvent>('bulkhead:refused'),
  storeDegraded: typed<StoreDegradedEvent>('store:degraded'),
  deadLetterCaptured: typed<DeadLetterCapturedEvent>('dead-letter:captured'),
  deadLetterDurable: typed<DeadLetterDurableEvent>('dead-letter:durable'),
  deadLetterDropped: typed<DeadLetterDroppedEvent>('dead-letter:dropped'),
  replayed: typed<ReplayEvent>('dead-letter:replayed'),
}
