import { channel, type Channel } from 'node:diagnostics_channel'

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

export interface AttemptFailedEvent extends CallEvent {
  error?: Error | undefined
  /** Time from dispatch to failure, in milliseconds. */
  durationMs: number
}

export interface RetryScheduledEvent extends CallEvent {
  delayMs: number
  /** What the provider asked for, where it did. */
  retryAfterMs?: number | undefined
}

export interface CallGivenUpEvent extends CallEvent {
  /** Why no further attempt is made: `exhausted`, `not-idempotent`, `body-not-replayable`, ... */
  reason: string
  error?: Error | undefined
}

export type CircuitStateName = 'closed' | 'open' | 'half-open'

export interface CircuitChangedEvent {
  key: string
  from: CircuitStateName
  to: CircuitStateName
  /** Rises with each transition; the same number in every process that shares the circuit. */
  epoch: number
  /** Milliseconds until a probe may go, when `to` is open. */
  retryAfterMs?: number | undefined
  /** `isolated` or `forced-closed` while an operator overrides the machine. */
  override?: string | undefined
  /** Whether this process made the transition: exactly one does. */
  here: boolean
}

export interface StoreDegradedEvent {
  store: string
  degraded: boolean
  error?: Error | undefined
}

export interface DeadLetterCapturedEvent {
  id: string
  integration: string
  method: string
  url: string
  reason: string
  delivery: string
  attempts: number
  statusCode?: number | undefined
  code?: string | undefined
}

export interface DeadLetterDroppedEvent {
  id: string
  integration: string
  /** `queue-full`, `store-full`, `spool-full`, `refused-by-store`, `evicted`, `closed`, ... */
  reason: string
  error?: Error | undefined
}

export interface DeadLetterDurableEvent {
  id: string
  /** Where the record is now kept: `store` or `spool`. */
  where: 'store' | 'spool'
}

export interface ReplayEvent {
  id: string
  integration: string
  method: string
  url: string
  outcome: string
  statusCode?: number | undefined
  error?: Error | undefined
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
  attemptFailed: typed<AttemptFailedEvent>('attempt:failed'),
  retryScheduled: typed<RetryScheduledEvent>('retry:scheduled'),
  callGivenUp: typed<CallGivenUpEvent>('call:given-up'),
  circuitChanged: typed<CircuitChangedEvent>('circuit:changed'),
  storeDegraded: typed<StoreDegradedEvent>('store:degraded'),
  deadLetterCaptured: typed<DeadLetterCapturedEvent>('dead-letter:captured'),
  deadLetterDurable: typed<DeadLetterDurableEvent>('dead-letter:durable'),
  deadLetterDropped: typed<DeadLetterDroppedEvent>('dead-letter:dropped'),
  replayed: typed<ReplayEvent>('dead-letter:replayed'),
}
