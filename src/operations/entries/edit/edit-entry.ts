import { randomUUID } from 'node:crypto'
import { replacementId } from '../../../dead-letter/id.ts'
import { DeadLetterFormatError } from '../../../dead-letter/record/json.ts'
import type { DeadLetter, DeadLetterRecord } from '../../../dead-letter/record/record.ts'
import type { DeadLetterStore } from '../../../dead-letter/store/store.ts'
import { OperationError } from '../../operation-error.ts'
import { whyLeft, whyNotDiscarded } from '../why-left.ts'
import { editedRecord, type RecordEdit } from './edited-record.ts'

/**
 * The edited copy of an entry, in its place, not stored yet.
 * @throws {OperationError} when the edit cannot be made, or what comes out could not be sent
 */
export function editedCopy(entry: DeadLetter, edit: RecordEdit): DeadLetterRecord {
  try {
    return editedRecord(entry, edit, { id: replacementId(entry), idempotencyKey: randomUUID() })
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    throw new OperationError(`the edited entry could not be sent: ${error.message}`)
  }
}

/**
 * Stores the copy in quarantine, where no replayer takes it, and then removes the original: whatever happens between,
 * nothing is lost, and nothing is sent twice without a decision.
 * @throws {OperationError} `refused` when there is no room for the copy, or the original is in use; nothing is changed
 */
export async function replaceEntry(
  store: DeadLetterStore,
  entry: DeadLetter,
  copy: DeadLetterRecord,
): Promise<void> {
  const note = `edited from ${entry.id}`
  const { kept, evicted } = await store.add([copy], { status: 'quarantined', note })
  if (!kept.includes(copy.id)) {
    throw new OperationError('the store has no room for the edited copy', 'refused')
  }
  if (evicted.includes(entry.id) || (await store.discard([entry.id])) === 1) return
  await store.discard([copy.id])
  const why = await whyLeft(store, entry.id, whyNotDiscarded)
  throw new OperationError(`${entry.id} was not edited: ${why}`, 'refused')
}
