import { setImmediate as breathe } from 'node:timers/promises'
import type { DeadLetter } from '../dead-letter/record.ts'
import type { CorruptDeadLetter, DeadLetterFilter, DeadLetterStore } from '../dead-letter/store.ts'
import { CliError } from './cli-error.ts'
import type { Terminal } from './terminal.ts'

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

/** What a command works on: the ids that were named, or a filter, or everything; never everything by omission. */
export function checkSelection(
  ids: readonly string[],
  filter: DeadLetterFilter | undefined,
  all: boolean | undefined,
): void {
  const ways = [ids.length > 0, filter !== undefined, all === true].filter(Boolean).length
  if (ways === 1) return
  throw new CliError(
    ways === 0
      ? 'which entries? Name their ids, or give a filter (--name, --status, --from ...), or --all'
      : 'give either ids, or a filter, or --all',
  )
}

/** The ids of the entries of a filter. What cannot be read is among them: it can be discarded all the same. */
export async function selectedIds(
  store: DeadLetterStore,
  filter: DeadLetterFilter,
  limit: number | undefined,
  terminal: Terminal,
): Promise<string[]> {
  const ids: string[] = []
  const unreadable: string[] = []
  const entries = selectedEntries(store, filter, limit ?? Infinity, ({ id, message }) => {
    terminal.note(`${id} cannot be read: ${message}`)
    unreadable.push(id)
  })
  for await (const { id } of entries) {
    ids.push(id)
    terminal.status(`${ids.length} found`)
  }
  return [...ids, ...unreadable]
}

/** More is not counted. */
const MAX_COUNTED = 10_000

/** How many entries a replay would take up now, for its progress; `undefined` when there are too many to count. */
export async function countDue(
  store: DeadLetterStore,
  filter: DeadLetterFilter,
  origins: readonly string[],
  now: number,
): Promise<number | undefined> {
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
