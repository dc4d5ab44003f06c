import type { DeadLetter } from '../../dead-letter/record/record.ts'
import type { DeadLetterFilter } from '../../dead-letter/store/query/filter.ts'
import type { CorruptDeadLetter, DeadLetterStore } from '../../dead-letter/store/store.ts'
import { selectedEntries } from './selected-entries.ts'

/**
 * Which entries an operation works on: those that were named, or those of a filter; of the empty one all. Leaving
 * something out never selects all.
 */
export type Selection =
  | { readonly ids: readonly string[]; readonly filter?: undefined }
  | { readonly filter: DeadLetterFilter; readonly ids?: undefined }

/** Called while a selection is read: how far it is, and what cannot be read. */
export interface SelectionProgress {
  found(count: number): void
  corrupt(entry: CorruptDeadLetter): void
}

/**
 * The ids of a selection, each once; of a filter at most `limit`, the newest. What cannot be read is among them: it can
 * be discarded all the same.
 */
export async function idsOf(
  store: DeadLetterStore,
  { ids: named, filter }: Selection,
  limit: number | undefined,
  progress: SelectionProgress,
): Promise<string[]> {
  if (named !== undefined) return [...new Set(named)]
  const ids: string[] = []
  const unreadable: string[] = []
  const entries = selectedEntries(store, filter, limit ?? Infinity, (entry) => {
    progress.corrupt(entry)
    unreadable.push(entry.id)
  })
  for await (const { id } of entries) {
    ids.push(id)
    progress.found(ids.length)
  }
  return [...ids, ...unreadable]
}

/**
 * The same of what is set aside: of a filter that names no status only entries in doubt or quarantined.
 */
export async function setAsideIdsOf(
  store: DeadLetterStore,
  selection: Selection,
  limit: number | undefined,
  progress: SelectionProgress,
): Promise<string[]> {
  const { filter } = selection
  if (filter === undefined || filter.status !== undefined) return idsOf(store, selection, limit, progress)
  const found: DeadLetter[] = []
  const unreadable: string[] = []
  for (const status of ['in-doubt', 'quarantined'] as const) {
    const entries = selectedEntries(store, { ...filter, status }, limit ?? Infinity, (entry) => {
      progress.corrupt(entry)
      unreadable.push(entry.id)
    })
    for await (const entry of entries) {
      found.push(entry)
      progress.found(found.length)
    }
  }
  const newest = found.sort((a, b) => b.timestamp - a.timestamp).slice(0, limit)
  return [...newest.map(({ id }) => id), ...unreadable]
}
