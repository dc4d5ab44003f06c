import { givenUpReasons } from '../../call/call-record.ts'
import type { Delivery } from '../../http/delivery.ts'
import { isIdempotencyKey } from '../../http/idempotency-key.ts'
import { isIdempotentMethod } from '../../http/idempotent-methods.ts'

export const deadLetterReasons = [...givenUpReasons, 'outbox', 'manual'] as const

/**
 * Why the call ended as a dead letter: those of a call that was given up (docs/dead-letters.md), and `outbox`: it has not
 * failed, it was written before it is sent (`createOutbox`); `manual`: put there by a person or a program.
 */
export type DeadLetterReason = (typeof deadLetterReasons)[number]

export const deadLetterStatuses = ['pending', 'leased', 'sending', 'in-doubt', 'quarantined'] as const

/**
 * Where an entry stands.
 * `pending`: waits to be replayed. `leased`: a replayer holds it. `sending`: the replayer may have sent it.
 * `in-doubt`: it may have been sent and must not be sent again without a decision. `quarantined`: replays were used up,
 * it is not replayable, or it was imported; only a person brings it back.
 */
export type DeadLetterStatus = (typeof deadLetterStatuses)[number]

export const notReplayableReasons = [
  'body-too-large',
  'body-incomplete',
  'body-redacted',
  'body-unavailable',
  'path-redacted',
  'request-too-large',
  'copy-for-sink',
] as const

/** Why an entry can never be replayed as it is stored. */
export type NotReplayableReason = (typeof notReplayableReasons)[number]

/** One attempt of the call. */
export interface DeadLetterAttempt {
  /** When the attempt was dispatched, epoch milliseconds. */
  readonly at: number
  /** How long it took, in milliseconds. */
  readonly ms: number
  readonly statusCode?: number | undefined
  readonly code?: string | undefined
}

/** What of the error is kept; its messages are redacted. */
export interface DeadLetterError {
  readonly name: string
  readonly message: string
  readonly code?: string | undefined
  readonly cause?: DeadLetterError | undefined
  /** Parts of an `AggregateError`, at most five. */
  readonly errors?: readonly DeadLetterError[] | undefined
}

/** The request, as much of it as may be kept. */
export interface DeadLetterRequest {
  readonly method: string
  /** Without userinfo and fragment; secrets in query and path replaced by `[redacted]` (docs/secrets.md). */
  readonly url: string
  /** Those of the allowlist, verbatim, names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** Names of the headers that were sent and not stored; a replay needs them from `credentials` or from `sealed`. */
  readonly omittedHeaders?: readonly string[] | undefined
  /** Names of the query parameters whose values were replaced. */
  readonly redactedQuery?: readonly string[] | undefined
  /** The bytes as sent (or with fields redacted: see `bodyRedacted`); absent in lists, and when there was no body. */
  readonly body?: Uint8Array | undefined
  /** Length of the body as sent, as far as it was seen; 0 when there was none. */
  readonly bytes: number
  /** Hex SHA-256 of the whole body as sent; absent without a body, or when it was not seen whole. */
  readonly sha256?: string | undefined
  /** `body` is not what was sent: secret fields were replaced. */
  readonly bodyRedacted?: boolean | undefined
}

/** The final response, as much of it as may be kept. */
export interface DeadLetterResponse {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** The first `maxResponseBytes` of the body as text, secret fields redacted. */
  readonly body?: string | undefined
  /** The body was longer than what is kept here. */
  readonly truncated?: boolean | undefined
}

/** One replay of an entry. */
export interface DeadLetterReplay {
  /** When it began, epoch milliseconds. */
  readonly at: number
  /** How long it took, in milliseconds. */
  readonly ms?: number | undefined
  /**
   * `refused`: nothing was sent, or the server refused it for good. `lapsed`: the lease ended while the replayer was
   * sending: it may have been sent.
   */
  readonly outcome: 'done' | 'failed' | 'in-doubt' | 'refused' | 'lapsed'
  readonly statusCode?: number | undefined
  readonly code?: string | undefined
}

/** What was captured; it never changes afterwards. */
export interface DeadLetterRecord {
  /** Version of this shape. */
  readonly version: 1
  /** UUIDv7: sorts by time of capture. */
  readonly id: string
  /** The integration: the `integration` option of the stack. */
  readonly integration: string
  /** When the call finally failed, epoch milliseconds. */
  readonly timestamp: number
  /** When its first attempt began, epoch milliseconds; absent when none was let through. */
  readonly firstAttemptAt?: number | undefined
  /** Why it ended. */
  readonly reason: DeadLetterReason
  /** How sure it is that the server acted. */
  readonly delivery: Delivery
  /** Attempts made; 0 when none was let through. */
  readonly attempts: number
  /** Attempts beyond the first. */
  readonly retryCount: number
  /** The attempts, oldest first; of more than 50 the newest. */
  readonly history: readonly DeadLetterAttempt[]
  readonly request: DeadLetterRequest
  /** The final response; absent where there was none. */
  readonly response?: DeadLetterResponse | undefined
  /** What failed; for a response one that names its status. */
  readonly error: DeadLetterError
  /** Whether the request can be sent again as it was. A store never hands out an entry that is not. */
  readonly replayable: boolean
  /** Why not, where it is not `replayable`. */
  readonly notReplayableReason?: NotReplayableReason | undefined
  /**
   * Whether it may be sent twice without its idempotency key, as `retry.methods` and `retry.isIdempotent` said of the
   * call. Absent without a retry layer: then its method decides.
   */
  readonly repeatable?: boolean | undefined
  /** The same in every attempt and replay. */
  readonly idempotencyKey?: string | undefined
  /** Name of the header that carried the key, lower case. */
  readonly idempotencyHeader?: string | undefined
  /** Entries with the same key are replayed in the order of their ids, one after the other. */
  readonly orderingKey?: string | undefined
  /** Those of the stack and of `withCallOptions`. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /**
   * Parts that were cut or left out, since a record has bounds: `request.url`, `response.headers` ... Absent when all is
   * there.
   */
  readonly cut?: readonly string[] | undefined
  /** The trace of the call (W3C); a replay belongs to it. */
  readonly traceparent?: string | undefined
  /** Not to be sent before, epoch milliseconds: what the provider asked for. */
  readonly notBefore?: number | undefined
  /** The body, url and further headers as sent, encrypted; `data` is absent in lists. */
  readonly sealed?: { readonly keyId: string; readonly data?: Uint8Array | undefined } | undefined
  /** The entry of which this one is an edited copy. */
  readonly editedFrom?: string | undefined
}

/** What changes over an entry's life. */
export interface DeadLetterState {
  readonly status: DeadLetterStatus
  /** When it may be claimed, epoch milliseconds. */
  readonly dueAt: number
  /** Replays that used one up: sent and failed, or lapsed while sending. */
  readonly replayCount: number
  /** The newest 20. */
  readonly replays: readonly DeadLetterReplay[]
  /** Why it is in doubt or quarantined. */
  readonly note?: string | undefined
  /** While it is held: the status that it goes back to when nothing is sent. */
  readonly leasedFrom?: DeadLetterStatus | undefined
}

/** An entry of a store: the record and where it stands. */
export type DeadLetter = DeadLetterRecord & DeadLetterState

/** An entry with the claim on it. */
export type ClaimedDeadLetter = DeadLetter & {
  /** Rises with each claim of the store: a later claim's token makes this one stale. */
  readonly fence: number
  /** When the lease ends, by the store's clock, epoch milliseconds. */
  readonly leaseUntil: number
}

/** Its key, where what is written there is one: a store or a queue may have been filled by others. */
export function idempotencyKeyOf({
  idempotencyKey,
}: Pick<DeadLetterRecord, 'idempotencyKey'>): string | undefined {
  return isIdempotencyKey(idempotencyKey) ? idempotencyKey : undefined
}

/**
 * Whether sending it a second time is harmless: by its idempotency key, by what the retry layer said of it, or else by
 * its method. The one rule of replays, and of leases that lapse while sending.
 */
export function isRepeatable(
  record: Pick<DeadLetterRecord, 'idempotencyKey' | 'repeatable' | 'request'>,
): boolean {
  return (
    idempotencyKeyOf(record) !== undefined || (record.repeatable ?? isIdempotentMethod(record.request.method))
  )
}

export function originOf(record: Pick<DeadLetterRecord, 'request'>): string {
  return URL.parse(record.request.url)?.origin ?? ''
}

/** The record of an entry, without where it stands: for adding it to another store. */
export function recordOf(entry: DeadLetter | ClaimedDeadLetter): DeadLetterRecord {
  const { status: _1, dueAt: _2, replayCount: _3, replays: _4, note: _5, leasedFrom: _6, ...rest } = entry
  const { fence: _7, leaseUntil: _8, ...record } = rest as Partial<ClaimedDeadLetter> & DeadLetterRecord
  return record
}
