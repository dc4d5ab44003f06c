import type { DeadLetterStore } from '../store/store.ts'
import type { ReplayPlan } from './plan.ts'

/** Entries of each status and origin that are counted. */
const MAX_COUNTED = 1000

/** What a run leaves alone, since it waits for a person. */
export interface SetAside {
  readonly inDoubt: number
  readonly quarantined: number
  /** Of the quarantined: not sent again by anybody, as they are stored. */
  readonly notReplayable: number
}

export const nothingSetAside: SetAside = { inDoubt: 0, quarantined: 0, notReplayable: 0 }

/** Entries that match but for their status, and are in doubt or quarantined. Costs little where there are none. */
export async function setAsideEntries(store: DeadLetterStore, plan: ReplayPlan): Promise<SetAside> {
  const { byStatus } = await store.stats()
  const inDoubt = byStatus['in-doubt'] === 0 ? none : await count(store, plan, 'in-doubt')
  const quarantined = byStatus.quarantined === 0 ? none : await count(store, plan, 'quarantined')
  return { inDoubt: inDoubt.all, quarantined: quarantined.all, notReplayable: quarantined.notReplayable }
}

const none = { all: 0, notReplayable: 0 }

async function count(
  store: DeadLetterStore,
  { filter, origins }: ReplayPlan,
  status: 'in-doubt' | 'quarantined',
): Promise<typeof none> {
  const pages = await Promise.all(
    origins.map((origin) => store.list({ ...filter, origin, status, limit: MAX_COUNTED })),
  )
  const items = pages.flatMap((page) => page.items)
  return { all: items.length, notReplayable: items.filter(({ replayable }) => !replayable).length }
}
