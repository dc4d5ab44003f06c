import { idempotencyKeyOption, labelsOption } from '../../call/call-options.ts'
import { type Checks, optional, withDefault } from '../../checks.ts'
import { integerOption, integrationOption, shown, stringOption } from '../../options.ts'
import { storeOption } from '../../store.ts'
import { MAX_AHEAD_MS } from '../capture/record-of-call.ts'
import { deadLetterChecks, type DeadLetterOptions, type DeadLetterPolicy } from '../options.ts'
import type { DeadLetterSink } from '../store/sink.ts'
import type { DeadLetterStore } from '../store/store.ts'

/**
 * Options of `createOutbox`: those of `deadLetter`, so that one object can serve both. What only concerns failed calls
 * (`capture`, `maxResponseBytes`, `spool`, `sinks`, `onDrop`, memory) has no effect here.
 */
export interface OutboxOptions extends DeadLetterOptions {
  /** Where the calls are written; the replayer that sends them runs on its `deadLetters`. */
  store: { readonly deadLetters: DeadLetterStore }
  /** The label on records, events and logs. Default 'default'. */
  integration?: string | undefined
}

export interface OutboxPolicy extends DeadLetterPolicy {
  readonly store: { readonly deadLetters: DeadLetterStore }
  readonly integration: string
}

export const outboxChecks: Checks<OutboxOptions, OutboxPolicy> = {
  ...deadLetterChecks,
  store: (name, value) => storeOption(name, value, 'deadLetters'),
  integration: withDefault(integrationOption, 'default'),
}

/** The part of `fetch`'s init that makes the request; all else would say something about a call that is not made now. */
export type OutboxRequest = Pick<RequestInit, 'method' | 'headers' | 'body'>

/** Options of one call that is written. */
export interface OutboxAddOptions {
  /**
   * Sent as the `Idempotency-Key` header with every attempt. Without it a call that is not idempotent by its method is
   * sent once, and is in doubt when nobody knows whether it arrived.
   */
  idempotencyKey?: string | undefined
  /**
   * Calls with the same key are sent in the order in which they were added, each after the one before has arrived. Of several
   * processes the clocks say which was first.
   */
  orderingKey?: string | undefined
  /** On the record; merged over those of the outbox. */
  labels?: Record<string, string> | undefined
  /** Not to be sent before, epoch milliseconds or a Date. Default: at once. */
  notBefore?: number | Date | undefined
  /**
   * The client of a transaction of yours, where the store is `postgresStore`: the call is written when it commits, and never
   * if it is rolled back.
   */
  within?: object | undefined
}

export interface OutboxAddPolicy extends Omit<OutboxAddOptions, 'notBefore'> {
  readonly notBefore: number | undefined
}

export const addChecks: Checks<OutboxAddOptions, OutboxAddPolicy> = {
  idempotencyKey: optional(idempotencyKeyOption),
  orderingKey: optional(stringOption),
  labels: optional(labelsOption),
  notBefore: optional((name, value) => {
    const time = integerOption(name, value instanceof Date ? value.getTime() : value, { min: 0 })
    if (time <= Date.now() + MAX_AHEAD_MS) return time
    throw new RangeError(`\`${name}\` must be at most ten years ahead, got ${time}`)
  }),
  within: optional((name, value) => {
    if (typeof value === 'object' || typeof value === 'function') return value as object
    throw new TypeError(`\`${name}\` must be the client that BEGIN was sent on, got ${shown(value)}`)
  }),
}

/** A store that writes in a transaction of its user's. */
interface TransactionalStore {
  within(client: object): Pick<DeadLetterSink, 'add'>
}

/** @throws TypeError when the store cannot */
export function writerWithin(store: DeadLetterStore, client: object): Pick<DeadLetterSink, 'add'> {
  if (typeof (store as Partial<TransactionalStore>).within !== 'function') {
    throw new TypeError(
      '`within` needs a store that can write in a transaction of yours: createOutbox({ store: postgresStore(pool) }), not a stack',
    )
  }
  return (store as DeadLetterStore & TransactionalStore).within(client)
}
