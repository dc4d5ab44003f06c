import { DeadLetterFormatError } from '../dead-letter/record/json.ts'
import type { CorruptDeadLetter } from '../dead-letter/store/store.ts'

/** Reads rows of dead letters one by one: what cannot be read is reported, and the rest goes on. */
export function readRows<Row extends Readonly<Record<string, unknown>>, T>(
  rows: readonly Row[],
  one: (row: Row) => T,
): { items: T[]; corrupt: CorruptDeadLetter[] } {
  const items: T[] = []
  const corrupt: CorruptDeadLetter[] = []
  for (const row of rows) {
    try {
      items.push(one(row))
    } catch (error) {
      if (!(error instanceof DeadLetterFormatError)) throw error
      corrupt.push({ id: String(row['id']), message: error.message })
    }
  }
  return { items, corrupt }
}
