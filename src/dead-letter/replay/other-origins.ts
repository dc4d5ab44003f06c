import { originOf } from '../record/record.ts'
import type { DeadLetterStore } from '../store/store.ts'
import type { ReplayPlan } from './plan.ts'

/** Entries that are looked at. */
const MAX_LOOKED_AT = 10_000

/**
 * How many due entries that match belong to origins that are not allowed, by origin: of the newest 10,000 that wait. Costs
 * nothing where none is due.
 */
export async function dueOfOtherOrigins(
  store: DeadLetterStore,
  { filter, allowedOrigins, signal }: ReplayPlan,
  now: number,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  if ((await store.stats()).due === 0) return counts
  let cursor: string | undefined
  let seen = 0
  do {
    const page = await store.list({ ...filter, status: 'pending', cursor, limit: 500 })
    for (const entry of page.items) {
      const origin = originOf(entry)
      if (entry.dueAt > now || allowedOrigins.has(origin)) continue
      counts[origin] = (counts[origin] ?? 0) + 1
    }
    seen += page.items.length
    cursor = page.cursor
  } while (cursor !== undefined && seen < MAX_LOOKED_AT && signal?.aborted !== true)
  return counts
}
