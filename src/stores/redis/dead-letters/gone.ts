import { reportEvicted } from '../../../dead-letter/store/evicted.ts'

/** Tells of the entries that a script has evicted; gives back their ids. */
export function reportGone(pairs: readonly Buffer[]): string[] {
  const ids: string[] = []
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const id = String(pairs[at])
    ids.push(id)
    reportEvicted(id, String(pairs[at + 1]))
  }
  return ids
}
