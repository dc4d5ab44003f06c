import { sha256 } from '../../../http/sha256.ts'
import { type DeadLetterRecord, type NotReplayableReason, notReplayableReasons } from '../../record/record.ts'
import type { AddResult } from '../../store/add-result.ts'
import type { DeadLetterSink } from '../../store/sink.ts'
import type { DeadLetterStore } from '../../store/store.ts'
import type { TransferSource } from './transfer.ts'

/** What captures use of a spool, for one destination. */
export interface Spool extends Pick<DeadLetterSink, 'add'>, TransferSource {}

/**
 * On what waits in a spool for a sink: its name. A spool may be that of several stacks, with a store and sinks each, which
 * may have different entries of the same record at different times; so each sink has a copy of its own, and whoever looks
 * for another destination's entries passes over it.
 */
const SINK_LABEL = 'undici-resilience.sink'
/** On a copy of a record that was not replayable itself: why. */
const REASON_LABEL = 'undici-resilience.not-replayable'

/** @param sink the name of the sink that it is for; `undefined`: for the store */
export function spoolOf(spool: DeadLetterStore, sink: string | undefined): Spool {
  return sink === undefined ? spoolOfStore(spool) : spoolOfSink(spool, sink)
}

/** The spool of the store: the records themselves. */
function spoolOfStore(spool: DeadLetterStore): Spool {
  return {
    add: (records) => spool.add(records),
    claim: (limit, leaseMs) =>
      spool.claim({ limit, leaseMs, purpose: 'transfer', filter: { label: `!${SINK_LABEL}` } }),
    discard: (ids) => spool.discard(ids),
    settle: (id, fence, settlement) => spool.settle(id, fence, settlement),
  }
}

/**
 * The spool of a sink: copies under ids of their own, that are never replayed. Outside of it records and ids are those of
 * the calls.
 */
function spoolOfSink(spool: DeadLetterStore, name: string): Spool {
  const suffix = `.${sha256(Buffer.from(name)).slice(0, 12)}`
  const idOfCopy = (id: string): string => id + suffix
  const idOf = (copy: string): string => copy.slice(0, -suffix.length)
  return {
    async add(records): Promise<AddResult> {
      const result = await spool.add(records.map((record) => copyFor(record, name, idOfCopy(record.id))))
      return {
        ...result,
        kept: result.kept.map(idOf),
        settled: result.settled.map(idOf),
        refused: result.refused.map(idOf),
      }
    },
    async claim(limit, leaseMs) {
      const filter = { label: `${SINK_LABEL}=${name}` }
      const { items, corrupt } = await spool.claim({ limit, leaseMs, purpose: 'transfer', filter })
      return { items: items.map((item) => ({ ...item, ...original(item, idOf(item.id)) })), corrupt }
    },
    discard: (ids) => spool.discard(ids.map(idOfCopy)),
    settle: (id, fence, settlement) => spool.settle(idOfCopy(id), fence, settlement),
  }
}

function copyFor(record: DeadLetterRecord, sink: string, id: string): DeadLetterRecord {
  const { replayable, notReplayableReason = 'body-unavailable', labels } = record
  return {
    ...record,
    id,
    labels: {
      ...labels,
      [SINK_LABEL]: sink,
      ...(replayable ? {} : { [REASON_LABEL]: notReplayableReason }),
    },
    replayable: false,
    notReplayableReason: 'copy-for-sink',
  }
}

function original(copy: DeadLetterRecord, id: string): Partial<DeadLetterRecord> {
  const { [SINK_LABEL]: _sink, [REASON_LABEL]: reason, ...labels } = copy.labels ?? {}
  return {
    id,
    labels: Object.keys(labels).length === 0 ? undefined : labels,
    replayable: reason === undefined,
    notReplayableReason: reasonOf(reason),
  }
}

function reasonOf(reason: string | undefined): NotReplayableReason | undefined {
  return notReplayableReasons.find((known) => known === reason)
}
