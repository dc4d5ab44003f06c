import { DeadLetterFormatError } from '../../../dead-letter/record/json.ts'
import { type DeadLetter, deadLetterStatuses } from '../../../dead-letter/record/record.ts'
import { encodeCursor, type ListPosition } from '../../../dead-letter/store/query/cursor.ts'
import { type DeadLetterFilter, matchesFilter } from '../../../dead-letter/store/query/filter.ts'
import { checkQuery, type DeadLetterQuery } from '../../../dead-letter/store/query/query.ts'
import { type DeadLetterStats, noneByStatus } from '../../../dead-letter/store/stats.ts'
import type { CorruptDeadLetter, DeadLetterPage } from '../../../dead-letter/store/store.ts'
import { MAX_IDS, MAX_PAYLOAD, type RunScript } from './run-script.ts'
import { deadLetterScripts as scripts } from './scripts.ts'
import { entryOf, type StoredState, storedState } from './stored-state.ts'

/** An entry as it was found, by the server's time. */
export interface FoundEntry {
  readonly id: string
  /** `undefined` for an id of which nothing is stored. */
  readonly json: Buffer | undefined
  /** What `json` says; `undefined` when it cannot be read. */
  readonly stored: StoredState | undefined
  readonly now: number
}

/** What is read of dead letters without changing them. */
export class RedisDeadLetterReader {
  readonly #run: RunScript

  constructor(run: RunScript) {
    this.#run = run
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const [found] = await this.#read([id], 'bodies')
    if (found instanceof DeadLetterFormatError) {
      throw new DeadLetterFormatError(`dead letter ${id}: ${found.message}`, id)
    }
    return found
  }

  /** Each id's entry, what is wrong with it, or nothing. */
  async #read(
    ids: readonly string[],
    what: 'records' | 'bodies',
  ): Promise<(DeadLetter | DeadLetterFormatError | undefined)[]> {
    if (ids.length === 0) return []
    const [, rows] = (await this.#run(scripts.read, [what, MAX_PAYLOAD, ...ids])) as ReadReply
    const found = new Map(rows.map(([id, json, fields]) => [String(id), { json, fields }]))
    return ids.map((id) => {
      const row = found.get(id)
      try {
        return row && entryOf(id, storedState(row.json), row.fields)
      } catch (error) {
        if (error instanceof DeadLetterFormatError) return error
        throw error
      }
    })
  }

  /** Where the entries stand, those that are there in the order of the ids. */
  async states(ids: readonly string[]): Promise<FoundEntry[]> {
    const all: FoundEntry[] = []
    for (let start = 0; start < ids.length; start += MAX_IDS) {
      const some = ids.slice(start, start + MAX_IDS)
      const [now, rows] = (await this.#run(scripts.read, ['states', '0', ...some])) as ReadReply
      for (const [id, json] of rows) all.push(foundEntry(String(id), json, Number(now)))
    }
    return all
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    const { filter, limit, after } = checkQuery(query)
    const positions: ListPosition[] = []
    for await (const { id, timestamp } of this.matching('newest', filter, limit + 1, after)) {
      positions.push({ id, timestamp })
      if (positions.length > limit) break
    }
    const page = positions.slice(0, limit)
    const items: DeadLetter[] = []
    const corrupt: CorruptDeadLetter[] = []
    const entries = await this.#read(
      page.map(({ id }) => id),
      'records',
    )
    entries.forEach((entry, at) => {
      if (entry instanceof DeadLetterFormatError) corrupt.push({ id: page[at]!.id, message: entry.message })
      else if (entry !== undefined) items.push(entry)
    })
    const last = page.at(-1)
    return {
      items,
      ...(positions.length > limit && last !== undefined ? { cursor: encodeCursor(last) } : {}),
      ...(corrupt.length === 0 ? {} : { corrupt }),
    }
  }

  /**
   * Entries whose states match, page by page: `newest` or `oldest` first, or those that are `due`, by due time. What
   * cannot be read matches too where nothing is filtered, so that it is seen.
   * @param count how many will probably do
   */
  async *matching(
    order: 'newest' | 'oldest' | 'due',
    filter: DeadLetterFilter,
    count: number,
    after?: ListPosition,
  ): AsyncGenerator<FoundEntry & { readonly timestamp: number }> {
    const isOpen = Object.keys(filter).length === 0
    const from = after === undefined ? '' : String(after.timestamp)
    let size = Math.min(count, MAX_IDS)
    for (let offset = 0; ; offset += size, size = Math.min(size * 2, MAX_IDS)) {
      const reply = await this.#run(scripts.page, [order, from, String(offset), String(size)])
      const [now, rows] = reply as [Buffer, [id: Buffer, time: Buffer, json: Buffer | null][]]
      for (const [rawId, time, json] of rows) {
        const id = String(rawId)
        const timestamp = Number(time)
        if (after !== undefined && timestamp === after.timestamp && id >= after.id) continue
        const entry = foundEntry(id, json ?? undefined, Number(now))
        const { stored } = entry
        if (stored === undefined ? isOpen : matchesFilter(stored.summary, filter)) {
          yield { ...entry, timestamp }
        }
      }
      if (rows.length < size) return
    }
  }

  async stats(): Promise<DeadLetterStats> {
    let found = countsOf(await this.#run(scripts.stats, []))
    if (found.isDoubtful) {
      await this.#run(scripts.mend, [])
      found = countsOf(await this.#run(scripts.stats, []))
    }
    const { counts, total, oldest, due } = found
    const count = (name: string): number => Math.max(0, counts.get(name) ?? 0)
    const byStatus = noneByStatus()
    for (const status of deadLetterStatuses) byStatus[status] = count(`n:${status}`)
    return {
      total,
      byStatus,
      bytes: count('bytes'),
      oldest,
      due,
      counters: {
        captured: count('captured'),
        replayed: count('replayed'),
        evicted: count('evicted'),
        discarded: count('discarded'),
      },
    }
  }
}

function countsOf(reply: unknown): {
  counts: ReadonlyMap<string, number>
  total: number
  oldest: number | undefined
  due: number
  isDoubtful: boolean
} {
  const [totals, total, oldest, due] = reply as [Buffer[], number, Buffer | null, number]
  const counts = new Map<string, number>()
  for (let at = 0; at + 1 < totals.length; at += 2) counts.set(String(totals[at]), Number(totals[at + 1]))
  const isDoubtful = counts.has('doubtful') || ![...counts.values()].every(Number.isSafeInteger)
  return { counts, total, oldest: oldest === null ? undefined : Number(oldest), due, isDoubtful }
}

type ReadReply = [now: Buffer, rows: [id: Buffer, json: Buffer, fields: unknown][]]

function foundEntry(id: string, json: Buffer | undefined, now: number): FoundEntry {
  return { id, json, stored: json && readableState(json), now }
}

export function readableState(json: Buffer): StoredState | undefined {
  try {
    return storedState(json)
  } catch (error) {
    if (error instanceof DeadLetterFormatError) return undefined
    throw error
  }
}
