import { storable } from '../../../dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../../dead-letter/record/record.ts'
import { initialState } from '../../../dead-letter/store/lifecycle.ts'
import { mayBeEvicted } from '../../../dead-letter/store/retention.ts'
import type { AddOptions } from '../../../dead-letter/store/sink.ts'
import { scriptArgument } from '../script.ts'
import { capturedState, orderOf } from './stored-state.ts'

/** The arguments of one record for the capture script, and what they weigh. */
export interface CapturedArguments {
  readonly id: string
  /** What every record has. */
  readonly common: readonly (string | Buffer)[]
  /** What the script else takes for granted: due at its time, pending, no ordering key, not sealed, to be evicted in its turn. */
  readonly special: readonly (string | Buffer)[]
  readonly isCommon: boolean
  readonly bytes: number
}

export function captureArguments(record: DeadLetterRecord, options: AddOptions): CapturedArguments {
  const state = initialState(record, options)
  const { status, dueAt } = state
  const { json, bytes } = storable(record)
  const { body } = record.request
  const sealed = record.sealed?.data
  const order = orderOf(record)
  const isEvictable = mayBeEvicted(record)
  const time = String(record.timestamp)
  return {
    id: record.id,
    common: [record.id, time, capturedState(record, state, order).slice(0, -1), json, argument(body)],
    special: [String(dueAt), status, order ?? '', argument(sealed), isEvictable ? '' : 'kept'],
    isCommon:
      status === 'pending' &&
      dueAt === record.timestamp &&
      order === undefined &&
      sealed === undefined &&
      isEvictable,
    bytes,
  }
}

function argument(bytes: Uint8Array | undefined): string | Buffer {
  return bytes === undefined ? '' : scriptArgument(bytes)
}
