import { shown } from '../../options.ts'

/** A job to be added. */
export interface BullmqJobToAdd {
  name: string
  data: unknown
  opts: { jobId: string; timestamp: number; removeOnComplete: { age: number } }
}

/** What is used of a `Queue` of BullMQ. */
export interface BullmqQueue {
  readonly name: string
  addBulk(jobs: BullmqJobToAdd[]): PromiseLike<unknown[]>
}

/** What is used of a `Job` of BullMQ. */
export interface BullmqJob {
  readonly data: unknown
  /** How often a worker has begun it, this time included. */
  readonly attemptsStarted?: number
  updateData(data: unknown): PromiseLike<unknown>
  moveToDelayed(timestamp: number, token?: string): PromiseLike<unknown>
}

/** @throws TypeError saying what was meant */
export function bullmqQueueOption(name: string, value: unknown): BullmqQueue {
  const {
    addBulk,
    name: queue,
    sendCommand,
  } = (value ?? {}) as {
    addBulk?: unknown
    name?: unknown
    sendCommand?: unknown
  }
  if (typeof addBulk === 'function' && typeof queue === 'string') return value as BullmqQueue
  const got =
    typeof sendCommand === 'function'
      ? 'a Redis client: hand in `new Queue(name, { connection })`'
      : typeof value === 'string'
        ? 'a string: hand in `new Queue(name, { connection })`'
        : shown(value)
  throw new TypeError(`\`${name}\` must be a Queue of BullMQ, got ${got}`)
}
