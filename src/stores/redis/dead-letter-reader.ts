import { checkQuery, encodeCursor, matchesFilter } from '../../dead-letter/filter.ts'
import { DeadLetterFormatError } from '../../dead-letter/record-json.ts'
import type { DeadLetter } from '../../dead-letter/record.ts'
import type {
  CorruptDeadLetter,
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterStats,
} from '../../dead-letter/store.ts'
import { deadLetterScripts as scripts, type DeadLetterKeys } from './dead-letter-scripts.ts'
import { entryFrom, summaryFrom } from './dead-letter-state.ts'
import type { ScriptRunner } from './script-runner.ts'

/** Entries whose states are looked at in one round trip. */
const PAGE = 500

/** What is read of dead letters without changing them. */
export class RedisDeadLetterReader {
  readonly #runner: ScriptRunner
  readonly #keys: DeadLetterKeys
  readonly #maxPayload: string

  constructor(runner: ScriptRunner, keys: DeadLetterKeys, maxPayload: string) {
    this.#runner = runner
    this.#keys = keys
    this.#maxPayload = maxPayload
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const [found] = await this.#read([id], true)
    if (found instanceof DeadLetterFormatError) {
      throw new DeadLetterFormatError(`dead letter ${id}: ${found.message}`, id)
    }
    return found
  }

  /** Each id's entry, what is wrong with it, or nothing. */
  async #read(
    ids: readonly string[],
    bodies: boolean,
  ): Promise<(DeadLetter | DeadLetterFormatError | undefined)[]> {
    const rows = (await this.#runner.run(scripts.read, Object.values(this.#keys), [
      bodies ? 'bodies' : '',
      this.#maxPayload,
      ...ids,
    ])) as [Buffer, Buffer, unknown][]
    const found = new Map(rows.map(([id, state, fields]) => [String(id), { state: String(state), fields }]))
    return ids.map((id) => {
      const row = found.get(id)
      if (row === undefined) return undefined
      try {
        return entryFrom(id, row.state, row.fields)
      } catch (error) {
        if (error instanceof DeadLetterFormatError) return error
        throw error
      }
    })
  }

  async list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    const { filter, limit, after } = checkQuery(query)
    const ids: { id: string; timestamp: number }[] = []
    for await (const one of this.matching('all', filter, after)) {
      ids.push(one)
      if (ids.length > limit) break
    }
    const page = ids.slice(0, limit)
    const items: DeadLetter[] = []
    const corrupt: CorruptDeadLetter[] = []
    const read =
      page.length === 0
        ? []
        : await this.#read(
            page.map(({ id }) => id),
            false,
          )
    read.forEach((entry, at) => {
      if (entry instanceof DeadLetterFormatError) corrupt.push({ id: page[at]!.id, message: entry.message })
      else if (entry !== undefined) items.push(entry)
    })
    const last = page.at(-1)
    return {
      items,
      ...(ids.length > limit && last !== undefined ? { cursor: encodeCursor(last) } : {}),
      ...(corrupt.length === 0 ? {} : { corrupt }),
    }
  }

  /**
   * Ids whose states match, page by page: `all` newest first, `oldest` oldest first, `due` by due time. What cannot be
   * read matches too where nothing is filtered, so that it is seen.
   */
  async *matching(
    order: 'all' | 'oldest' | 'due',
    filter: DeadLetterFilter,
    after?: { timestamp: number; id: string },
  ): AsyncGenerator<{ id: string; timestamp: number }> {
    const client = await this.#runner.client()
    const { states, all, due } = this.#keys
    const open = Object.keys(filter).length === 0
    for (let offset = 0; ; offset += PAGE) {
      const paging = ['LIMIT', offset, PAGE, 'WITHSCORES'] as const
      const reply =
        order === 'all'
          ? await client.zrevrangebyscore(
              all,
              after?.timestamp ?? '+inf',
              '-inf',
              'WITHSCORES',
              'LIMIT',
              offset,
              PAGE,
            )
          : await client.call('ZRANGEBYSCORE', [
              order === 'due' ? due : all,
              '-inf',
              order === 'due' ? Date.now() : '+inf',
              ...paging,
            ])
      const members = scored(reply)
      if (members.length === 0) return
      const raw = await client.hmget(states, ...members.map(({ id }) => id))
      for (const [at, member] of members.entries()) {
        if (after !== undefined && member.timestamp === after.timestamp && member.id >= after.id) continue
        const summary = summaryFrom(raw[at])
        if (summary === undefined ? open : matchesFilter(summary, filter)) yield member
      }
      if (members.length < PAGE) return
    }
  }

  async stats(): Promise<DeadLetterStats> {
    const client = await this.#runner.client()
    const { all, due, totals } = this.#keys
    const [counts, total, oldest, dueNow] = await Promise.all([
      client.hgetall(totals),
      client.zcard(all),
      client.call('ZRANGE', [all, 0, 0, 'WITHSCORES']),
      client.zcount(due, '-inf', Date.now()),
    ])
    const count = (name: string): number => Math.max(0, Number(counts[name] ?? 0))
    return {
      total,
      byStatus: {
        pending: count('n:pending'),
        leased: count('n:leased'),
        sending: count('n:sending'),
        in_doubt: count('n:in_doubt'),
        quarantined: count('n:quarantined'),
      },
      bytes: count('bytes'),
      oldest: scored(oldest)[0]?.timestamp,
      due: dueNow,
      counters: {
        captured: count('captured'),
        replayed: count('replayed'),
        evicted: count('evicted'),
        discarded: count('discarded'),
      },
    }
  }
}

/** Members with their scores: a flat list from RESP2, pairs from RESP3. */
function scored(reply: unknown): { id: string; timestamp: number }[] {
  const flat = (reply as unknown[]).flat()
  const members: { id: string; timestamp: number }[] = []
  for (let i = 0; i < flat.length; i += 2)
    members.push({ id: String(flat[i]), timestamp: Number(flat[i + 1]) })
  return members
}
