import { type Checks, duration, withDefault } from '../../../checks.ts'
import type { DeadLetter, DeadLetterRecord } from '../../../dead-letter/record/record.ts'
import { type AddResult, emptyAddResult } from '../../../dead-letter/store/add-result.ts'
import type { ClaimOptions } from '../../../dead-letter/store/claim-options.ts'
import type { DeadLetterQuery } from '../../../dead-letter/store/query/query.ts'
import {
  type Retention,
  retentionChecks,
  type RetentionOptions,
} from '../../../dead-letter/store/retention.ts'
import type { Settlement, SettleResult } from '../../../dead-letter/store/settlement.ts'
import type { AddOptions } from '../../../dead-letter/store/sink.ts'
import type { DeadLetterStats } from '../../../dead-letter/store/stats.ts'
import type { ClaimResult, DeadLetterPage, DeadLetterStore } from '../../../dead-letter/store/store.ts'
import { idsOption } from '../../../options.ts'
import { isSentAtOnce, OUTBOX_ADDED, OutboxNotice } from '../../outbox-notice.ts'
import type { RedisClient } from '../connection.ts'
import { warnOfEviction } from '../eviction-policy.ts'
import { ScriptRunner } from '../script-runner.ts'
import { captureChunks, captureColumns, runInOrder } from './capture-chunks.ts'
import { RedisClaims } from './claims.ts'
import { reportGone } from './gone.ts'
import { deadLetterKeys } from './layout.ts'
import { mending } from './mending.ts'
import { RedisDeadLetterReader } from './reader.ts'
import { MAX_IDS, type RunScript } from './run-script.ts'
import { deadLetterScripts as scripts } from './scripts.ts'

/** Dead letters in Redis. Defaults: 100,000 records, 256 MiB, 30 days. */
export interface RedisDeadLettersOptions extends RetentionOptions {
  /** How long one command may take, the connecting included, in milliseconds, at least 10. Default 2,000. */
  timeoutMs?: number | undefined
}

export interface RedisDeadLettersPolicy extends Retention {
  readonly timeoutMs: number
}

/** The options of dead letters in Redis: each with its bound and its default. */
export const redisDeadLettersChecks: Checks<RedisDeadLettersOptions, RedisDeadLettersPolicy> = {
  ...retentionChecks({
    maxRecords: 100_000,
    maxBytes: 256 * 1024 * 1024,
    maxAgeMs: 30 * 24 * 3_600_000,
  }),
  timeoutMs: withDefault(duration({ min: 10 }), 2000),
}

/** Opens its connection at once, so that a wrong `maxmemory-policy` is told at the start. */
export function redisDeadLetters(
  redis: RedisClient,
  prefix: string,
  policy: RedisDeadLettersPolicy,
  channel?: OutboxChannel,
): DeadLetterStore {
  return new RedisDeadLetters(redis, prefix, policy, channel)
}

/** Where processes tell each other of calls in an outbox. */
interface OutboxChannel {
  readonly name: string
  /** Calls `heard` when another process says `message`; returns what ends it. */
  hear(message: string, heard: () => void): () => void
}

class RedisDeadLetters implements DeadLetterStore {
  readonly remote = true
  readonly #runner: ScriptRunner
  readonly #run: RunScript
  readonly #reader: RedisDeadLetterReader
  readonly #claims: RedisClaims
  /** What the scripts are told: most records, most bytes, and the age from which on they evict, or ''. */
  readonly #bounds: readonly [string, string, string]
  readonly #maxRecords: number
  readonly #channel: OutboxChannel | undefined
  readonly #notice: OutboxNotice
  #warned = false

  constructor(
    redis: RedisClient,
    prefix: string,
    policy: RedisDeadLettersPolicy,
    channel: OutboxChannel | undefined,
  ) {
    const { maxRecords, maxBytes, maxAgeMs, timeoutMs } = policy
    const age = maxAgeMs === Infinity ? '' : String(maxAgeMs)
    this.#bounds = [String(maxRecords), String(maxBytes), age]
    this.#maxRecords = maxRecords
    const keys = Object.values(deadLetterKeys(redis, prefix)) as string[]
    this.#runner = new ScriptRunner(redis, timeoutMs, (client) => this.#ready(client))
    this.#run = mending((script, args) => this.#runner.run(script, keys, args))
    this.#reader = new RedisDeadLetterReader(this.#run)
    this.#claims = new RedisClaims(this.#run, this.#reader, age)
    this.#channel = channel
    this.#notice = new OutboxNotice(() => this.#tellOfOutbox())
    this.#runner.open()
  }

  async #tellOfOutbox(): Promise<void> {
    if (this.#channel === undefined) return
    await (await this.#runner.client()).publish(this.#channel.name, OUTBOX_ADDED)
  }

  onOutboxAdd(heard: () => void): () => void {
    return this.#channel?.hear(OUTBOX_ADDED, heard) ?? (() => undefined)
  }

  #ready(client: RedisClient): void {
    if (this.#warned) return
    this.#warned = true
    // One that did not tell its policy, too slow or not allowed, is asked again at the next connection.
    warnOfEviction(client).catch(() => (this.#warned = false))
  }

  async add(records: readonly DeadLetterRecord[], options: AddOptions = {}): Promise<AddResult> {
    if (records.length === 0) await this.#runner.client()
    const result = emptyAddResult()
    const replies = runInOrder(captureChunks(records, options, this.#maxRecords), (chunk) =>
      this.#run(scripts.capture, [...this.#bounds, ...captureColumns(chunk)]).then((reply) => ({
        chunk,
        reply,
      })),
    )
    for await (const { chunk, reply } of replies) {
      const [duplicates, settled, refused, gone] = reply as [number, Buffer[], Buffer[], Buffer[]]
      result.duplicates += duplicates
      result.settled.push(...settled.map(String))
      result.refused.push(...refused.map(String))
      result.evicted.push(...reportGone(gone))
      const missing = new Set([...settled, ...refused].map(String))
      for (const { id } of chunk) if (!missing.has(id)) result.kept.push(id)
    }
    // nobody waits for it, and who may not publish has replayers that look by themselves
    if (records.some(isSentAtOnce) && this.#notice.takeTurn()) this.#tellOfOutbox().catch(() => undefined)
    return result
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

  claim(options: ClaimOptions): Promise<ClaimResult> {
    return this.#claims.claim(options)
  }

  renew(id: string, fence: number, leaseMs: number): Promise<boolean> {
    return this.#claims.renew(id, fence, leaseMs)
  }

  settle(id: string, fence: number, settlement: Settlement): Promise<SettleResult> {
    return this.#claims.settle(id, fence, settlement)
  }

  async requeue(ids: readonly string[], options?: { delayMs?: number }): Promise<number> {
    return this.#claims.requeue(idsOption(ids), options)
  }

  async discard(ids: readonly string[]): Promise<number> {
    idsOption(ids)
    let count = 0
    for (let start = 0; start < ids.length; start += MAX_IDS) {
      count += Number(await this.#run(scripts.discard, ids.slice(start, start + MAX_IDS)))
    }
    return count
  }

  async close(): Promise<void> {
    this.#notice.close()
    this.#runner.close()
  }
}
