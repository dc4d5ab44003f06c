import { setImmediate as breathe } from 'node:timers/promises'
import type { DeadLetter } from '../../dead-letter/record/record.ts'
import type { DeadLetterFilter } from '../../dead-letter/store/query/filter.ts'
import type { CorruptDeadLetter, DeadLetterStore } from '../../dead-letter/store/store.ts'

const PAGE = 500

/** Walks through the entries of a filter, newest first, page by page; none of their bodies is there. */
export async function* selectedEntries(
  store: DeadLetterStore,
  filter: DeadLetterFilter,
  limit: number,
  corrupt: (entry: CorruptDeadLetter) => void,
): AsyncGenerator<DeadLetter> {
  let left = limit
  let cursor: string | undefined
  do {
    const page = await store.list({ ...filter, cursor, limit: Math.min(PAGE, left) })
    // a file answers without a turn of the event loop, in which alone Ctrl-C is heard
    await breathe()
    page.corrupt?.forEach(corrupt)
    for (const entry of page.items) {
      if (left-- <= 0) return
      yield entry
    }
    cursor = page.cursor
  } while (cursor !== undefined && left > 0)
}
