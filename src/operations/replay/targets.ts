import type { DeadLetter } from '../../dead-letter/record/record.ts'
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
  targets: ReplayTargets,
  origins: readonly string[],
  now: number,
): Promise<number | undefined> {
  if (targets.ids !== undefined) return targets.ids.length
  let count = 0
  for (const origin of origins) {
    let seen = 0
    for await (const { dueAt, replayable } of pendingOf(store, targets, origin)) {
      if (++seen === MAX_COUNTED) return undefined
      if (replayable && dueAt <= now) count++
    }
  }
  return count
}

/** Entries that a run over what is due leaves alone, since their time has not come, of the newest 10,000 of each origin. */
export async function notYetDue(
  store: DeadLetterStore,
  targets: ReplayTargets,
  origins: readonly string[],
  now: number,
  signal: AbortSignal,
): Promise<{ readonly count: number; readonly nextAt: number }> {
  let count = 0
  let nextAt = Infinity
  if (targets.ids !== undefined) return { count, nextAt }
  for (const origin of origins) {
    for await (const { dueAt, replayable } of pendingOf(store, targets, origin)) {
      if (signal.aborted) return { count, nextAt }
      if (!replayable || dueAt <= now) continue
      count++
      nextAt = Math.min(nextAt, dueAt)
    }
  }
  return { count, nextAt }
}

async function* pendingOf(
  store: DeadLetterStore,
  { filter }: ReplayTargets,
  origin: string,
): AsyncGenerator<DeadLetter> {
  if (filter.origin !== undefined && filter.origin !== origin) return
  yield* selectedEntries(store, { status: 'pending', ...filter, origin }, MAX_COUNTED, () => undefined)
}
