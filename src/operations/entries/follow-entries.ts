import { setTimeout as sleep } from 'node:timers/promises'
import type { DeadLetter } from '../../dead-letter/record/record.ts'
import type { DeadLetterFilter } from '../../dead-letter/store/query/filter.ts'
import type { DeadLetterStats } from '../../dead-letter/store/stats.ts'
import type { DeadLetterStore } from '../../dead-letter/store/store.ts'

/** The most new entries that one look gives; of a flood the rest is in the totals only. */
const MAX_NEW = 200

/** What one look at a store found. */
interface Look {
  /** Captured since the look before, oldest first, without bodies. */
  readonly entries: readonly DeadLetter[]
  readonly stats: DeadLetterStats
}

/**
 * Looks at a store again and again until the signal is aborted. An entry with an older time than the last one seen (a
 * spool that is drained late) shows in the totals only.
 */
export async function* followEntries(
  store: DeadLetterStore,
  filter: DeadLetterFilter,
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<Look> {
  let seen = await newest(store, filter)
  while (!signal.aborted) {
    const entries = await newerThan(store, filter, seen)
    seen = entries.at(-1) ?? seen
    yield { entries, stats: await store.stats() }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined)
  }
}

type Mark = Pick<DeadLetter, 'timestamp' | 'id'>

async function newest(store: DeadLetterStore, filter: DeadLetterFilter): Promise<Mark> {
  const { items } = await store.list({ ...filter, limit: 1 })
  return items[0] ?? { timestamp: 0, id: '' }
}

async function newerThan(
  store: DeadLetterStore,
  filter: DeadLetterFilter,
  seen: Mark,
): Promise<DeadLetter[]> {
  const from = Math.max(filter.from ?? 0, seen.timestamp)
  const { items } = await store.list({ ...filter, from, limit: MAX_NEW })
  return items.filter(({ timestamp, id }) => timestamp > seen.timestamp || id > seen.id).reverse()
}
