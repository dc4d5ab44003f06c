import { DeadLetterFormatError } from '../../dead-letter/record/json.ts'
import type { DeadLetter } from '../../dead-letter/record/record.ts'
import type { DeadLetterFilter } from '../../dead-letter/store/query/filter.ts'
import type { CorruptDeadLetter, DeadLetterStore } from '../../dead-letter/store/store.ts'
import { wholeEntries } from '../../dead-letter/store/whole-entries.ts'
import { OperationError } from '../operation-error.ts'
import { selectedEntries } from './selected-entries.ts'

/**
 * The entry with its body.
 * @throws {OperationError} `refused` that names the id, when there is none or it cannot be read
 */
export async function readEntry(store: DeadLetterStore, id: string): Promise<DeadLetter> {
  let entry: DeadLetter | undefined
  try {
    entry = await store.get(id)
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    const message = error.message.includes(id) ? error.message : `${id}: ${error.message}`
    throw new OperationError(message, 'refused', error)
  }
  if (entry === undefined) throw new OperationError(`${id}: there is no such entry`, 'refused')
  return entry
}

/** The entries of a filter with their bodies, newest first. What was removed meanwhile is left out. */
export function entriesWithBodies(
  store: DeadLetterStore,
  filter: DeadLetterFilter,
  limit: number,
  corrupt: (entry: CorruptDeadLetter) => void,
): AsyncGenerator<DeadLetter> {
  return wholeEntries(store, idsOf(selectedEntries(store, filter, limit, corrupt)), corrupt)
}

async function* idsOf(entries: AsyncIterable<{ readonly id: string }>): AsyncGenerator<string> {
  for await (const { id } of entries) yield id
}
