import { checkClaim, type ClaimRequest } from '../../dead-letter/claim-options.ts'
import { reportEvicted } from '../../dead-letter/evicted.ts'
import { matchesFilter } from '../../dead-letter/filter.ts'
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
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetterStats,
  DeadLetterStore,
  RetentionOptions,
  Settlement,
  SettleResult,
} from '../../dead-letter/store.ts'
import { durationOption, objectOption } from '../../options.ts'
import { captureChunks, captureColumns, inTurn } from './capture-chunks.ts'
import { keyPrefixOf, type RedisClient } from './connection.ts'
import { RedisDeadLetterReader } from './dead-letter-reader.ts'
import {
  deadLetterKeys,
  deadLetterScripts as scripts,
  type DeadLetterKeys,
  type Script,
} from './dead-letter-scripts.ts'
import { entryFrom, summaryFrom } from './dead-letter-state.ts'
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
const MAX_IDS = 500
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
  readonly #reader: RedisDeadLetterReader
  readonly #keys: DeadLetterKeys
  readonly #retention: Retention
  #warned = false

  constructor(redis: RedisClient, prefix: string, { retention, timeoutMs }: RedisDeadLettersSettings) {
    this.#retention = retention
    this.#keys = deadLetterKeys(`${keyPrefixOf(redis)}${prefix}:1:`)
    this.#runner = new ScriptRunner(redis, timeoutMs, (client) => this.#ready(client))
    this.#reader = new RedisDeadLetterReader(this.#runner, this.#keys, MAX_PAYLOAD)
    this.#runner.open()
  }

  #ready(client: RedisClient): void {
    if (this.#warned) return
    this.#warned = true
    // One that did not tell its policy, too slow or not allowed, is asked again at the next connection.
    warnUnlessDurable(client).catch(() => (this.#warned = false))
  }

  #run(script: Script, args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#runner.run(script, Object.values(this.#keys), args)
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
    const replies = inTurn(captureChunks(records, options, maxRecords), (chunk) =>
      this.#run(scripts.capture, [...head, ...captureColumns(chunk)]).then((reply) => ({ chunk, reply })),
    )
    for await (const { chunk, reply } of replies) {
      const [again, settledReply, refusedReply, gone] = reply as Reply[]
      const [settled, refused] = [strings(settledReply), strings(refusedReply)]
      const missing = new Set([...settled, ...refused])
      for (const { id } of chunk) if (!missing.has(id)) result.kept.push(id)
      result.settled.push(...settled)
      result.refused.push(...refused)
      result.evicted.push(...reportGone(gone))
      duplicates += Number(again)
    }
    return { ...result, duplicates }
  }

  get(id: string): Promise<DeadLetter | undefined> {
    return this.#reader.get(id)
  }

  list(query?: DeadLetterQuery): Promise<DeadLetterPage> {
    return this.#reader.list(query)
  }

  stats(): Promise<DeadLetterStats> {
    return this.#reader.stats()
  }

  async claim(options: ClaimOptions): Promise<ClaimResult> {
    const request = checkClaim(options)
    const { filter, ids, transfer } = request
    if (!transfer && filter === undefined && ids === undefined) return this.#claim(request, 'due', [])
    // what lapsed is due only when its lease was settled
    if (filter !== undefined) await this.#claim(request, 'some', [])
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
      if (ids.length === 0) return []
      const client = await this.#runner.client()
      const states = await client.hmget(this.#keys.states, ...ids)
      const open = Object.keys(filter).length === 0
      // what cannot be read is asked for all the same when nothing is filtered, so that it is told
      return ids
        .map((id, at) => ({ id, summary: summaryFrom(states[at]) }))
        .filter(({ summary }) => (summary === undefined ? open : matchesFilter(summary, filter)))
        .sort((a, b) => (a.summary?.dueAt ?? 0) - (b.summary?.dueAt ?? 0) || (a.id < b.id ? -1 : 1))
        .map(({ id }) => id)
    }
    const found: string[] = []
    const most = Math.min(1000, limit * 4 + 16)
    for await (const { id } of this.#reader.matching(transfer ? 'oldest' : 'due', filter)) {
      if (found.push(id) === most) break
    }
    return found
  }

  async #claim(request: ClaimRequest, mode: string, candidates: readonly string[]): Promise<ClaimResult> {
    const { limit, leaseMs, maxReplays, lapseDelayMs } = request
    const { maxAgeMs } = this.#retention
    const age = maxAgeMs === Infinity ? '' : String(maxAgeMs)
    const numbers = [limit, leaseMs, maxReplays === Infinity ? 0 : maxReplays, lapseDelayMs].map(String)
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
    for (let start = 0; start < ids.length; start += MAX_IDS) {
      count += Number(await this.#run(script, [...head, ...ids.slice(start, start + MAX_IDS)]))
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
