import type { DeadLetterRecord } from '../record/record.ts'
import type { AddResult } from './add-result.ts'

/** How records are added. */
export interface AddOptions {
  /** Imported or edited entries wait for a person. Default: `pending`, `quarantined` for what is not replayable. */
  status?: 'quarantined' | undefined
  /** Why it waits, for the person who looks at it. Default: none. */
  note?: string | undefined
}

/**
 * Where captured dead letters are taken to: a store, or a queue whose consumers do the rest. Captures need no more.
 *
 * Guarantees: `add` resolves only when the records are kept as durably as the sink promises, and says of each id what
 * became of it. Adding a record again is harmless. Whatever rejects may be repeated. So a record arrives at least once:
 * who takes it out again knows it by its `id`. What has come back from a store has `replayCount` and `replays` too;
 * `encodeDeadLetter` makes a message of either.
 *
 * @example
 * const sink: DeadLetterSink = {
 *   remote: true,
 *   async add(records) {
 *     await queue.sendBatch(records.map((record) => ({ id: record.id, body: encodeDeadLetter(record) })))
 *     return { kept: records.map(({ id }) => id), duplicates: 0, settled: [], evicted: [], refused: [] }
 *   },
 *   close: () => queue.close(),
 * }
 */
export interface DeadLetterSink {
  /**
   * What messages, events and the spool know it by: the same after a restart, another for each sink. Default
   * `sinks[0]`, its place in the option.
   */
  readonly name?: string | undefined
  /** Reached over a network, so that captures need a `spool` while it is away. Default false. */
  readonly remote?: boolean | undefined
  /**
   * Keeps the records. Repeating it is harmless. What the answer names neither in `kept` nor in `settled` counts as not kept,
   * and comes again.
   */
  add(records: readonly DeadLetterRecord[], options?: AddOptions): Promise<AddResult>
  /** Ends what the sink opened. Calls after it reject. */
  close(): Promise<void>
}
