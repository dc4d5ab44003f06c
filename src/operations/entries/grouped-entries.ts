import { originOf, type DeadLetter } from '../../dead-letter/record/record.ts'
import { lastCode } from '../../dead-letter/store/query/summary.ts'
import { InputError } from '../operation-error.ts'
import { shownEntry } from './shown-entry.ts'

/** Entries that have something in common. */
export interface EntryGroup {
  readonly value: string
  count: number
  /** Time of capture, epoch milliseconds. */
  oldest: number
  newest: number
}

type Grouping = (entry: DeadLetter) => string

const groupings: Readonly<Record<string, Grouping>> = {
  integration: ({ integration }) => integration,
  origin: originOf,
  status: ({ status }) => status,
  reason: ({ reason }) => reason,
  code: lastCode,
  method: ({ request }) => request.method,
  error: ({ error }) => `${error.name}: ${error.message}`,
}

export const groupingNames: readonly string[] = [...Object.keys(groupings), 'label=<key>']

/** @throws {InputError} */
export function groupingOf(by: string): Grouping {
  const label = by.startsWith('label=') ? by.slice('label='.length) : ''
  if (label !== '') {
    return ({ labels }) => (labels !== undefined && Object.hasOwn(labels, label) ? labels[label]! : '')
  }
  const grouping = Object.hasOwn(groupings, by) ? groupings[by] : undefined
  if (grouping !== undefined) return grouping
  throw new InputError('by', `must be one of ${groupingNames.join(', ')}, got ${JSON.stringify(by)}`)
}

/** The largest group first; an abort ends the counting early. */
export async function groupedEntries(
  entries: AsyncIterable<DeadLetter>,
  grouping: Grouping,
  signal: AbortSignal,
): Promise<EntryGroup[]> {
  const groups = new Map<string, EntryGroup>()
  for await (const entry of entries) {
    if (signal.aborted) break
    const { timestamp } = entry
    const value = grouping(shownEntry(entry))
    const group = groups.get(value)
    if (group === undefined) {
      groups.set(value, { value, count: 1, oldest: timestamp, newest: timestamp })
    } else {
      group.count++
      group.oldest = Math.min(group.oldest, timestamp)
      group.newest = Math.max(group.newest, timestamp)
    }
  }
  return [...groups.values()].sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
}
