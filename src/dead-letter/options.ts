import { labelsOption } from '../call/call-options.ts'
import type { CallRequest } from '../call/call-request.ts'
import { type Checks, duration, integer, listOf, object, optional, withDefault } from '../checks.ts'
import type { Outcome } from '../http/outcome.ts'
import { functionOption, hookOption } from '../options.ts'
import { deadLetterSinkOption, deadLetterStoreOption } from '../store.ts'
import type { DeadLetterRecord } from './record/record.ts'
import type { RedactionRules } from './record/redaction/rules.ts'
import { Seal, type SealKeys } from './record/sealing.ts'
import { redactChecks, type RedactOptions, rulesOf } from './redact-options.ts'
import type { DeadLetterSink } from './store/sink.ts'
import type { DeadLetterStore } from './store/store.ts'

/** What is kept of calls that finally failed, and how it gets to the store. */
export interface DeadLetterOptions {
  /**
   * Which final outcomes become dead letters. Default: network errors, timeouts, open circuit, and the statuses 408,
   * 425, 429 and 5xx; a `classify` verdict decides before the status. Never cancellations by the caller. To keep no reads:
   * `(_outcome, byDefault, { method }) => byDefault && method !== 'GET'`.
   */
  capture?: ((outcome: Outcome, byDefault: boolean, request: CallRequest) => boolean) | undefined
  /** The most of a request body that is kept, in bytes. Default 256 KiB. Larger requests are not replayable. */
  maxBodyBytes?: number | undefined
  /** The most of the final response's body that is kept, in bytes. Default 8 KiB; 0 keeps none. */
  maxResponseBytes?: number | undefined
  /** What is taken out of records, logs, events and errors beside secrets by their names and shapes (docs/secrets.md). */
  redact?: RedactOptions | undefined
  /** Encrypts beside the record what redaction takes out of it, credential headers excepted. Default: nothing. */
  seal?: SealKeys | undefined
  /** Put on every record; those of `withCallOptions` are merged over them. */
  labels?: Readonly<Record<string, string>> | undefined
  /** Entries with the same key are replayed in order, one after the other. `withCallOptions` goes before it. */
  orderingKey?: ((request: CallRequest) => string | undefined) | undefined
  /**
   * Keeps records durably while the store or a sink is away; drained into it afterwards. Typically
   * `sqliteStore(path).deadLetters`. One for each store: what is in it for the store goes to that of whichever stack drains
   * it first. Memory as the store has no use for it, and takes nothing out of it.
   */
  spool?: DeadLetterStore | undefined
  /**
   * Queues that get every record beside the store: `rabbitmqSink`, `bullmqSink`, or your own. While one is away, what is for
   * it waits in the `spool` (without one in memory, as much as for the store), and is brought there afterwards: each record
   * arrives at least once. The stack closes none of them. Default none. What is in a queue is sent by its consumers:
   * replay from the store or from the queue, not from both.
   */
  sinks?: readonly DeadLetterSink[] | undefined
  /**
   * How long the store may take before records go to the spool as well, in milliseconds. Default 50; 0 writes to both at
   * once. Without a `spool` it has no effect.
   */
  spoolAfterMs?: number | undefined
  /**
   * The last chance to see a record that is kept nowhere: queue, store or spool full, refused, or closed too early. With
   * `sink`, the name of one: only the copy for it is lost, and the store may have the record.
   */
  onDrop?: ((record: DeadLetterRecord, reason: string, sink?: string) => void) | undefined
  /** Records in memory that are being made, or wait to be stored. Default 10,000. */
  maxQueued?: number | undefined
  /**
   * Bytes of memory that these may take, with bodies, headers, urls and responses. Default 64 MiB. Room is taken before
   * anything is copied; a call that finds none is not captured, and `onDrop` gets a record without bodies.
   */
  maxQueuedBytes?: number | undefined
  /** How long one command of the store may take before it counts as failed, in milliseconds. Default 2,000. */
  storeTimeoutMs?: number | undefined
}

/** Dead-letter options with every default filled in. */
export interface DeadLetterPolicy {
  readonly capture: DeadLetterOptions['capture']
  readonly maxBodyBytes: number
  readonly maxResponseBytes: number
  readonly redact: RedactionRules
  readonly seal: Seal | undefined
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly orderingKey: DeadLetterOptions['orderingKey']
  readonly spool: DeadLetterStore | undefined
  readonly sinks: readonly DeadLetterSink[]
  readonly spoolAfterMs: number
  readonly onDrop: DeadLetterOptions['onDrop']
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  readonly storeTimeoutMs: number
}

const MIB = 1024 * 1024

/** The options of dead letters: each with its bound and its default. */
export const deadLetterChecks: Checks<DeadLetterOptions, DeadLetterPolicy> = {
  capture: hookOption,
  maxBodyBytes: withDefault(integer({ max: 64 * MIB }), 256 * 1024),
  // a record's JSON, escapes included, must stay readable by every store
  maxResponseBytes: withDefault(integer({ max: 128 * 1024 }), 8192),
  redact: object(redactChecks, rulesOf),
  seal: optional((name, value) => new Seal(value as SealKeys, name)),
  labels: optional(labelsOption),
  orderingKey: hookOption,
  spool: optional(deadLetterStoreOption),
  sinks: withDefault(listOf(deadLetterSinkOption), []),
  spoolAfterMs: withDefault(duration(), 50),
  onDrop: functionOption,
  maxQueued: withDefault(integer({ min: 1 }), 10_000),
  maxQueuedBytes: withDefault(integer({ min: 1024 }), 64 * MIB),
  storeTimeoutMs: withDefault(duration({ min: 1 }), 2000),
}

/** What events and the spool know a sink by: its name, or its place in the option. */
export function nameOf({ name }: DeadLetterSink, at: number): string {
  return name ?? `sinks[${at}]`
}

/**
 * @param path of the options: `deadLetter.`
 * @throws TypeError, RangeError when what could not be kept in one place would be kept in the same one once more
 */
export function checkPlaces(path: string, { spool, sinks }: DeadLetterPolicy, store: DeadLetterStore): void {
  if (spool === store) {
    throw new TypeError(`\`${path}spool\` must be another store than \`store\`, got the same`)
  }
  const names = new Set<string>()
  sinks.forEach((sink, at) => {
    if (sink === store || sink === spool) {
      const other = sink === store ? 'store' : 'spool'
      throw new TypeError(`\`${path}sinks[${at}]\` must be another place than \`${other}\`, got the same`)
    }
    const name = nameOf(sink, at)
    if (names.has(name)) {
      throw new RangeError(`\`${path}sinks\` must have names that differ, got two of ${JSON.stringify(name)}`)
    }
    names.add(name)
  })
}
