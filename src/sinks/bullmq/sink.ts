import {
  type Checks,
  duration,
  integer,
  number,
  optional,
  resolveOptions,
  withDefault,
} from '../../checks.ts'
import { messageJson } from '../../dead-letter/message/message.ts'
import type { DeadLetterRecord } from '../../dead-letter/record/record.ts'
import { type AddResult, emptyAddResult } from '../../dead-letter/store/add-result.ts'
import type { DeadLetterSink } from '../../dead-letter/store/sink.ts'
import { StoreClosedError } from '../../dead-letter/store/store-closed.ts'
import { isError } from '../../errors.ts'
import { stringOption } from '../../options.ts'
import { withTimeLimit } from '../../time/time-limit.ts'
import { MessageTooLargeError } from '../message-too-large.ts'
import { type BullmqJobToAdd, type BullmqQueue, bullmqQueueOption } from './client.ts'

const MIB = 1024 * 1024

/** Options of `bullmqSink`. */
export interface BullmqSinkOptions {
  /** The name of the jobs. Default `dead-letter`. */
  jobName?: string | undefined
  /** What events and the spool know it by. Default `bullmq:<queue>`. */
  name?: string | undefined
  /**
   * How long a job that is done stays in Redis, in milliseconds, so that its record is known when it comes a second time from
   * a late spool. Default 30 days.
   */
  keepDoneMs?: number | undefined
  /** How long adding a batch may take, in milliseconds. Default 10,000. */
  timeoutMs?: number | undefined
  /** Larger jobs are refused: they stay in the spool or store. Default 16 MiB. */
  maxMessageBytes?: number | undefined
}

interface BullmqSinkPolicy {
  readonly jobName: string
  readonly name: string | undefined
  readonly keepDoneMs: number
  readonly timeoutMs: number
  readonly maxMessageBytes: number
}

const bullmqSinkChecks: Checks<BullmqSinkOptions, BullmqSinkPolicy> = {
  jobName: withDefault(stringOption, 'dead-letter'),
  name: optional(stringOption),
  keepDoneMs: withDefault(number({ min: 1000 }), 30 * 86_400_000),
  timeoutMs: withDefault(duration({ min: 1 }), 10_000),
  maxMessageBytes: withDefault(integer({ min: 1024, max: 256 * MIB }), 16 * MIB),
}

/** A sink of dead letters in BullMQ. */
export interface BullmqSink extends DeadLetterSink {
  readonly name: string
  readonly remote: true
}

/** What BullMQ or its Redis failed with, with a code by which an outage is known for one. */
class BullmqError extends Error {
  override readonly name = 'BullmqError'
  readonly code = 'EBULLMQ'
}

/**
 * Dead letters into a queue of BullMQ: one job each, whose id is the record's id, so that a record that comes twice is one
 * job, as long as that is there. The data of a job is the message as an object.
 *
 * The queue stays yours: `close` ends nothing of it. Give it a connection with `enableOfflineQueue: false`, or BullMQ waits
 * for a Redis that is away; either way no longer than `timeoutMs` is waited for it here.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const queue = new Queue('dead-letters', { connection: { host, enableOfflineQueue: false } })
 * const stack = resilience({ deadLetter: { sinks: [bullmqSink(queue)], spool: sqliteStore('spool.db').deadLetters } })
 */
export function bullmqSink(queue: BullmqQueue, options: BullmqSinkOptions = {}): BullmqSink {
  const policy = resolveOptions('bullmqSink', bullmqSinkChecks, options)
  return new Sink(bullmqQueueOption('queue', queue), policy)
}

class Sink implements BullmqSink {
  readonly name: string
  readonly remote = true
  readonly #queue: BullmqQueue
  readonly #policy: BullmqSinkPolicy
  readonly #adding = new Set<Promise<unknown>>()
  #closed = false

  constructor(queue: BullmqQueue, policy: BullmqSinkPolicy) {
    this.#queue = queue
    this.#policy = policy
    this.name = policy.name ?? `bullmq:${queue.name}`
  }

  async add(records: readonly DeadLetterRecord[]): Promise<AddResult> {
    if (this.#closed) throw new StoreClosedError()
    if (records.length === 0) return emptyAddResult()
    const jobs = records.map((record) => this.#jobOf(record))
    const adding = this.#addAll(jobs)
    this.#adding.add(adding)
    try {
      await adding
    } finally {
      this.#adding.delete(adding)
    }
    return { ...emptyAddResult(), kept: records.map(({ id }) => id) }
  }

  async #addAll(jobs: BullmqJobToAdd[]): Promise<void> {
    try {
      const added = Promise.resolve(this.#queue.addBulk(jobs))
      await withTimeLimit(added, this.#policy.timeoutMs, 'adding jobs to BullMQ')
    } catch (error) {
      throw new BullmqError(`BullMQ: ${isError(error) ? error.message : String(error)}`, { cause: error })
    }
  }

  #jobOf(record: DeadLetterRecord): BullmqJobToAdd {
    const { jobName, keepDoneMs, maxMessageBytes } = this.#policy
    const data = messageJson(record)
    const bytes = Buffer.byteLength(JSON.stringify(data))
    if (bytes > maxMessageBytes) throw new MessageTooLargeError(record.id, bytes, maxMessageBytes)
    return {
      name: jobName,
      data,
      opts: {
        jobId: jobIdOf(record.id),
        timestamp: record.timestamp,
        removeOnComplete: { age: Math.ceil(keepDoneMs / 1000) },
      },
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#adding)
  }
}

/** BullMQ takes no integers for ids, which an imported record may have. */
function jobIdOf(id: string): string {
  return /^\d+$/.test(id) ? `dead-letter-${id}` : id
}
