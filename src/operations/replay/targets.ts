import type { DeadLetterFilter } from '../../dead-letter/store/query/filter.ts'
import type { DeadLetterStore } from '../../dead-letter/store/store.ts'
import { selectedEntries } from '../entries/selected-entries.ts'
import { idsOf, type Selection, type SelectionProgress } from '../entries/selection.ts'

/** What a replay takes up: the entries with these ids, due or not, or else what is due of the filter. */
export interface ReplayTargets {
  readonly ids: readonly string[] | undefined
  readonly filter: DeadLetterFilter
  /** A person has named each entry. */
  readonly named: boolean
}

/**
 * The targets of a selection. Entries that are in doubt or quarantined are found first and then taken up by their ids:
 * a run over what is due would leave them alone.
 */
export async function replayTargets(
  store: DeadLetterStore,
  selection: Selection,
  limit: number | undefined,
  progress: SelectionProgress,
): Promise<ReplayTargets> {
  const filter = selection.filter ?? {}
  const named = selection.ids !== undefined
  const waiting = filter.status === 'in-doubt' || filter.status === 'quarantined'
  const ids = named || waiting ? await idsOf(store, selection, limit, progress) : undefined
  return { ids, filter, named }
}

/** More is not counted. */
const MAX_COUNTED = 10_000

/** How many entries a replay would take up now, for its progress; `undefined` when there are too many to count. */
export async function countTargets(
  store: DeadLetterStore,
  { ids, filter }: ReplayTargets,
  origins: readonly string[],
  now: number,
): Promise<number | undefined> {
  if (ids !== undefined) return ids.length
  let count = 0
  for (const origin of origins) {
    if (filter.origin !== undefined && filter.origin !== origin) continue
    const pending: DeadLetterFilter = { status: 'pending', ...filter, origin }
    let seen = 0
    for await (const { dueAt, replayable } of selectedEntries(store, pending, MAX_COUNTED, () => undefined)) {
      if (++seen === MAX_COUNTED) return undefined
      if (replayable && dueAt <= now) count++
    }
  }
  return count
}
