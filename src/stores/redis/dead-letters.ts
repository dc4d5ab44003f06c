import { checkClaim, type ClaimRequest } from '../../dead-letter/claim-options.ts'
import { reportEvicted } from '../../dead-letter/evicted.ts'
import { checkQuery, encodeCursor, matchesFilter } from '../../dead-letter/filter.ts'
import {
  DeadLetterFormatError,
  MAX_RECORD_CHARS,
  MAX_STORED_BODY_BYTES,
} from '../../dead-letter/record-json.ts'
import type { ClaimedDeadLetter, DeadLetter, DeadLetterRecord } from '../../dead-letter/record.ts'
import { checkRetention, type Retention } from '../../dead-letter/retention.ts'
import type {
  AddOptions,
  AddResult,
  ClaimOptions,
  ClaimResult,
  CorruptDeadLetter,
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterStats,
  DeadLetterStore,
  RetentionOptions,
  Settlement,
  SettleResult,
} from '../../dead-letter/store.ts'
import { durationOption, objectOption } from '../../options.ts'
import { keyPrefixOf, type RedisClient } from './connection.ts'
import { deadLetterScripts as scripts, type Script } from './dead-letter-scripts.ts'
import { captureArguments, entryFrom, summaryFrom } from './dead-letter-state.ts'
import { ScriptRunner, warnUnlessDurable } from './script-runner.ts'

/** Dead letters in Redis. Defaults: 100,000 records, 256 MiB, 30 days. */
export interface RedisDeadLettersOptions extends RetentionOptions {
  /** How long one command may take, the connecting included, in milliseconds, at least 10. Default 2,000. */
  timeoutMs?: number
}

const defaults: Retention = {
  maxRecords: 100_000,
  maxBytes: 256 * 1024 * 1024,
  maxAgeMs: 30 * 24 * 3_600_000,
}
/** Bounds of one script run, which the server is busy with: a script unpacks at most 8,000 values, too. */
const MAX_CHUNK = 128
const MAX_CHUNK_BYTES = 1024 * 1024
/** Scripts under way at the same time: one is made here while the server runs another. */
const AHEAD = 3
/** Entries whose states are looked at in one round trip. */
const PAGE = 500
const MAX_PAYLOAD = String(MAX_RECORD_CHARS * 4 + MAX_STORED_BODY_BYTES)

interface RedisDeadLettersSettings {
  readonly retention: Retention
  readonly timeoutMs: number
}

/** @throws TypeError, RangeError naming option, bound and value */
export function resolveRedisDeadLetters(options: RedisDeadLettersOptions = {}): RedisDeadLettersSettings {
  objectOption('deadLetters', options, ['maxRecords', 'maxBytes', 'maxAgeMs', 'timeoutMs'])
  const timeoutMs = durationOption('timeoutMs', options.timeoutMs ?? 2000, 10)
  return { retention: checkRetention(options, defaults), timeoutMs }
}

/** Opens its connection at once, so that a wrong `maxmemory-policy` is told at the start. */
export function redisDeadLetters(
  redis: RedisClient,
  prefix: string,
  settings: RedisDeadLettersSettings = resolveRedisDeadLetters(),
): DeadLetterStore {
  return new RedisDeadLetters(redis, prefix, settings)
}

class RedisDeadLetters implements DeadLetterStore {
  readonly remote = true
  readonly #runner: ScriptRunner
  readonly #keys: readonly string[]
  readonly #retention: Retention
  #warned = false

  constructor(redis: RedisClient, prefix: string, { retention, timeoutMs }: RedisDeadLettersSettings) {
    this.#retention = retention
    // one hash tag: on a cluster all of it lies on one node, and one script may touch it all
    const base = `${keyPrefixOf(redis)}${prefix}:1:{dead-letters}:`
    this.#keys = ['s', 'st', 'all', 'due', 'lease', 'm', 'tomb', 'ord'].map((part) => base + part)
    this.#runner = new ScriptRunner(redis, timeoutMs, (client) => this.#ready(client))
    this.#runner.open()
  }

  #ready(client: RedisClient): void {
    if (this.#warned) return
    this.#warned = true
    // a server that does not tell its policy is not warned about
    warnUnlessDurable(client).catch(() => undefined)
  }

  #run(script: Script, args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#runner.run(script, this.#keys, args)
  }

  async add(records: readonly DeadLetterRecord[], options: AddOptions = {}): Promise<AddResult> {
    if (records.length === 0) await this.#runner.client()
    const { maxRecords, maxBytes, maxAgeMs } = this.#retention
    const head = [String(maxRecords), String(maxBytes), maxAgeMs === Infinity ? '' : String(maxAgeMs)]
    const result = {
      kept: [] as string[],
      settled: [] as string[],
      evicted: [] as string[],
      refused: [] as string[],
    }
    let duplicates = 0
    const replies = inTurn(chunks(records, options, Math.min(MAX_CHUNK, maxRecords)), (chunk) =>
      this.#run(scripts.capture, [...head, ...chunk]),
    )
    for await (const reply of replies) {
      const [kept, again, settled, refused, gone] = reply as Reply[]
      result.kept.push(...strings(kept))
      result.settled.push(...strings(settled))
      result.refused.push(...strings(refused))
      result.evicted.push(...reportGone(gone))
      duplicates += Number(again)
    }
    return { ...result, duplicates }
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
    const rows = (await this.#run(scripts.read, [bodies ? 'bodies' : '', MAX_PAYLOAD, ...ids])) as [
      Buffer,
      Buffer,
      unknown,
    ][]
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
    for await (const one of this.#matching('all', filter, after)) {
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
  async *#matching(
    order: 'all' | 'oldest' | 'due',
    filter: DeadLetterFilter,
    after?: { timestamp: number; id: string },
  ): AsyncGenerator<{ id: string; timestamp: number }> {
    const client = await this.#runner.client()
    const [, states, all, due] = this.#keys as [string, string, string, string]
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
    const [, , all, due, , totals] = this.#keys as [string, string, string, string, string, string]
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

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    const request = checkClaim(options)
    const { filter, ids, transfer } = request
    if (!transfer && filter === undefined && ids === undefined) return this.#claim(request, 'due', [])
    // another claimer may be faster with all of the candidates
    for (let round = 0; ; round++) {
      const candidates = await this.#candidates(request)
      const mode = transfer ? 'transfer' : ids === undefined ? 'some' : 'ids'
      const result = await this.#claim(request, mode, candidates)
      const none = result.items.length === 0 && result.corrupt.length === 0
      if (!none || candidates.length === 0 || ids !== undefined || round === 5) return result
    }
  }

  async #candidates({ limit, filter = {}, ids, transfer }: ClaimRequest): Promise<string[]> {
    if (ids !== undefined) {
      if (Object.keys(filter).length === 0 || ids.length === 0) return [...ids]
      const client = await this.#runner.client()
      const states = await client.hmget(this.#keys[1]!, ...ids)
      return ids.filter((_id, at) => {
        const summary = summaryFrom(states[at])
        return summary !== undefined && matchesFilter(summary, filter)
      })
    }
    const found: string[] = []
    const most = Math.min(1000, limit * 4 + 16)
    for await (const { id } of this.#matching(transfer ? 'oldest' : 'due', filter)) {
      if (found.push(id) === most) break
    }
    return found
  }

  async #claim(request: ClaimRequest, mode: string, candidates: readonly string[]): Promise<ClaimResult> {
    const { limit, leaseMs, maxReplays } = request
    const { maxAgeMs } = this.#retention
    const age = maxAgeMs === Infinity ? '' : String(maxAgeMs)
    const numbers = [limit, leaseMs, maxReplays === Infinity ? 0 : maxReplays].map(String)
    const reply = await this.#run(scripts.claim, [...numbers, mode, age, MAX_PAYLOAD, ...candidates])
    const [rows, condemned, gone] = reply as [[Buffer, Buffer, unknown][], [Buffer, Buffer][], Reply]
    reportGone(gone)
    const items: ClaimedDeadLetter[] = []
    const corrupt = condemned.map(([id, message]) => ({ id: String(id), message: String(message) }))
    for (const [rawId, state, fields] of rows) {
      const id = String(rawId)
      const { f, u } = JSON.parse(String(state)) as { f: number; u: number }
      try {
        items.push({ ...entryFrom(id, String(state), fields), fence: f, leaseUntil: u })
      } catch (error) {
        if (!(error instanceof DeadLetterFormatError)) throw error
        corrupt.push({ id, message: error.message })
        await this.#run(scripts.settle, [id, String(f), 'unreadable', '0', '0', '', error.message])
      }
    }
    return { items, corrupt }
  }

  async renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    durationOption('leaseMs', leaseMs, 1)
    return (await this.#run(scripts.renew, [id, String(fence), String(leaseMs)])) === 1
  }

  async settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    const {
      delayMs = 0,
      maxReplays = 0,
      note = '',
      replay,
    } = settlement as Partial<Record<'delayMs' | 'maxReplays', number> & { note: string; replay: object }>
    const numbers = [Math.max(0, Math.round(delayMs)), maxReplays].map(String)
    const args = [
      id,
      String(fence),
      settlement.outcome,
      ...numbers,
      replay ? JSON.stringify(replay) : '',
      note,
    ]
    return String(await this.#run(scripts.settle, args)) as SettleResult
  }

  async requeue(ids: readonly string[], options: { delayMs?: number } = {}): Promise<number> {
    return this.#each(scripts.requeue, [String(options.delayMs ?? 0)], ids)
  }

  async discard(ids: readonly string[]): Promise<number> {
    return this.#each(scripts.discard, [], ids)
  }

  async #each(script: Script, head: readonly string[], ids: readonly string[]): Promise<number> {
    let count = 0
    for (let start = 0; start < ids.length; start += PAGE) {
      count += Number(await this.#run(script, [...head, ...ids.slice(start, start + PAGE)]))
    }
    return count
  }

  async close(): Promise<void> {
    this.#runner.close()
  }
}

type Reply = readonly Buffer[] | number

function strings(reply: Reply | undefined): string[] {
  return Array.isArray(reply) ? reply.map(String) : []
}

function reportGone(reply: Reply | undefined): string[] {
  const pairs = strings(reply)
  const ids: string[] = []
  for (let i = 0; i < pairs.length; i += 2) {
    ids.push(pairs[i]!)
    reportEvicted(pairs[i]!, pairs[i + 1]!)
  }
  return ids
}

/** Members with their scores: a flat list from RESP2, pairs from RESP3. */
function scored(reply: unknown): { id: string; timestamp: number }[] {
  const flat = (reply as unknown[]).flat()
  const members: { id: string; timestamp: number }[] = []
  for (let i = 0; i < flat.length; i += 2)
    members.push({ id: String(flat[i]), timestamp: Number(flat[i + 1]) })
  return members
}

/** Arguments of as many records as one script run takes. */
function* chunks(
  records: readonly DeadLetterRecord[],
  options: AddOptions,
  most: number,
): Generator<(string | Buffer)[]> {
  let args: (string | Buffer)[] = []
  let count = 0
  let bytes = 0
  for (const record of records) {
    const one = captureArguments(record, options)
    if (count === most || (count > 0 && bytes + one.bytes > MAX_CHUNK_BYTES)) {
      yield args
      args = []
      count = bytes = 0
    }
    args.push(...one.args)
    count++
    bytes += one.bytes
  }
  if (count > 0) yield args
}

/** Runs `work` on the items in their order, a few ahead of the replies. What fails ends it; the rest is waited for. */
async function* inTurn<T, R>(items: Iterable<T>, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const running: Promise<R>[] = []
  try {
    for (const item of items) {
      running.push(work(item))
      if (running.length === AHEAD) yield await running.shift()!
    }
    while (running.length > 0) yield await running.shift()!
  } finally {
    await Promise.allSettled(running)
  }
}
