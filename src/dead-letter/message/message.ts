import { DeadLetterFormatError, replaysFromValue } from '../record/json.ts'
import {
  type DeadLetter,
  type DeadLetterRecord,
  type DeadLetterReplay,
  deadLetterStatuses,
  type DeadLetterStatus,
  recordOf,
} from '../record/record.ts'
import { entryToJson, recordFromEntryJson } from './entry-json.ts'

const MAX_NOTE_CHARS = 8192

/** What the messages of all queues are, for consumers of other languages and for headers. */
export const DEAD_LETTER_MEDIA_TYPE = 'application/vnd.undici-resilience.dead-letter+json;version=1'

/** A dead letter on its way through a queue: the record, and what became of it before. */
export type DeadLetterMessage = DeadLetterRecord & {
  /** Replays that used one up. */
  readonly replayCount: number
  /** The newest 20. */
  readonly replays: readonly DeadLetterReplay[]
  /** `in-doubt` or `quarantined` where it left its store as such: a person has to decide. Else `pending`. */
  readonly status: Extract<DeadLetterStatus, 'pending' | 'in-doubt' | 'quarantined'>
  /** Why it is in doubt or quarantined. */
  readonly note?: string | undefined
}

/**
 * A dead letter as the JSON of a message: one object, bodies as text where they are UTF-8, else as base64. It is the format
 * of `dead-letters export`. For sinks of one's own.
 *
 * @example
 * await producer.send({ key: record.id, value: encodeDeadLetter(record) })
 */
export function encodeDeadLetter(record: DeadLetterRecord | DeadLetter | DeadLetterMessage): string {
  return JSON.stringify(messageJson(record))
}

/** The same as an object, for queues that make the JSON themselves. */
export function messageJson(record: DeadLetterRecord | DeadLetter | DeadLetterMessage): object {
  const { replayCount = 0, replays = [], note, status: shown, leasedFrom } = record as Partial<DeadLetter>
  // a claim hides where the entry stands
  const status = shown === 'leased' || shown === 'sending' ? leasedFrom : shown
  const isHeld = status === 'in-doubt' || status === 'quarantined'
  return {
    ...entryToJson(recordOf(record as DeadLetter)),
    ...(replayCount === 0 && replays.length === 0 ? {} : { replayCount, replays }),
    ...(isHeld ? { status, ...(note === undefined ? {} : { note }) } : {}),
  }
}

/**
 * Reads the JSON of a message. Whoever can write to a queue can forge one: every field is checked, and nothing that is not
 * of a dead letter gets any further. What is returned goes to `replayDeadLetter` as it is.
 *
 * @throws {DeadLetterFormatError} that says what is wrong: set the message aside, another consumer cannot read it either
 * @example
 * const result = await replayDeadLetter(decodeDeadLetter(message.content), options)
 */
export function decodeDeadLetter(message: string | Uint8Array): DeadLetterMessage {
  const json =
    typeof message === 'string'
      ? message
      : Buffer.from(message.buffer, message.byteOffset, message.byteLength).toString('utf8')
  const { record, fields } = recordFromEntryJson(json)
  const { replayCount = 0, replays = [], status = 'pending', note } = fields
  if (typeof replayCount !== 'number' || !Number.isSafeInteger(replayCount) || replayCount < 0) {
    throw new DeadLetterFormatError('`replayCount` is of the wrong type', record.id)
  }
  const known = deadLetterStatuses.find((one) => one === status)
  if (known === undefined) throw new DeadLetterFormatError('`status` is of the wrong type', record.id)
  return {
    ...record,
    replayCount,
    replays: replaysFromValue(replays),
    status: known === 'in-doubt' || known === 'quarantined' ? known : 'pending',
    ...(typeof note === 'string' ? { note: note.slice(0, MAX_NOTE_CHARS) } : {}),
  }
}
