import { randomUUID } from 'node:crypto'
import { type Job, Queue, Worker, type WorkerOptions } from 'bullmq'
import { Agent } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startForwarder } from '../../../src/dead-letter/forward/forward.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import { bullmqProcessor, bullmqSink, type DeadLetterConsumerOptions } from '../../../src/entries/bullmq.ts'
import { deadLetterSinkContract } from '../../../src/testing/contracts/dead-letter-sink.ts'
import { makeRecord, type RecordChanges } from '../../../src/testing/contracts/records.ts'
import { runner } from '../../contracts/runner.ts'
import { ok, type Provider, type Reply, startProvider, status } from '../../support/calls/provider.ts'
import { quiet, total } from '../../support/dead-letters/capture-queue.ts'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

/** What a busy machine needs. */
const SOON = { timeout: 20_000 }

let server: RunningRedis
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.stop())

const opened: { close(force?: boolean): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close(true)
})

function queueOf({ port } = server, commandTimeout = 1000): Queue {
  const connection = {
    port,
    enableOfflineQueue: false,
    commandTimeout,
    retryStrategy: () => 50,
  }
  const queue = new Queue(`letters-${randomUUID()}`, { connection })
  queue.on('error', () => undefined)
  opened.push(queue)
  return queue
}

async function jobsIn(queue: Queue): Promise<Job[]> {
  return queue.getJobs(['waiting', 'delayed', 'active', 'completed', 'failed'])
}

deadLetterSinkContract(runner, 'BullMQ', async () => {
  // thousands at once take a busy machine a while
  const queue = queueOf(server, 20_000)
  await queue.waitUntilReady()
  const sink = bullmqSink(queue)
  return {
    sink,
    arrived: async () => (await jobsIn(queue)).map(({ id }) => id!),
    dispose: () => sink.close(),
  }
})

describe('a sink of BullMQ', () => {
  it('makes a job of a record that a person can read in a dashboard, and finds by its id', async () => {
    const queue = queueOf()
    await queue.waitUntilReady()
    const record = makeRecord()
    await bullmqSink(queue).add([record])
    const job = await queue.getJob(record.id)
    expect(job).toMatchObject({
      name: 'dead-letter',
      timestamp: record.timestamp,
      data: {
        id: record.id,
        reason: 'exhausted',
        request: { method: 'PUT', url: record.request.url, body: '{"name":"Ada"}' },
      },
    })
  })

  it('makes no second job of a record that was done, when it comes again from a late spool', async () => {
    const queue = queueOf()
    await queue.waitUntilReady()
    const sink = bullmqSink(queue)
    const record = makeRecord()
    await sink.add([record])
    const worker = new Worker(queue.name, () => Promise.resolve(), { connection: { port: server.port } })
    opened.push(worker)
    await expect.poll(() => queue.getCompletedCount(), SOON).toBe(1)
    await sink.add([record])
    expect(await queue.getJobCounts('waiting', 'active', 'completed')).toMatchObject({
      completed: 1,
      waiting: 0,
    })
  })

  it('takes a record whose id is a number, as an import may have', async () => {
    const queue = queueOf()
    await queue.waitUntilReady()
    expect((await bullmqSink(queue).add([makeRecord({ id: '123' })])).kept).toEqual(['123'])
    expect(await jobsIn(queue)).toHaveLength(1)
  })

  it('refuses a record that is too large, alone', async () => {
    const queue = queueOf()
    const large = makeRecord({ request: { body: Buffer.alloc(5000, 'x') } })
    await expect(bullmqSink(queue, { maxMessageBytes: 4096 }).add([large])).rejects.toThrow(
      '`maxMessageBytes` 4096',
    )
  })

  it('has all of it when Redis is back that was killed in the middle, and none twice', async () => {
    const own = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
    const queue = queueOf(own)
    await queue.waitUntilReady()
    const store = localDeadLetters({ maxRecords: 5000 })
    const records = Array.from({ length: 2000 }, () => makeRecord())
    await store.add(records)
    const forwarder = startForwarder(store, bullmqSink(queue, { timeoutMs: 500 }), {
      intervalMs: 20,
      logger: quiet,
    })
    opened.push(forwarder)
    await expect.poll(() => queue.count().catch(() => 0), { ...SOON, interval: 1 }).toBeGreaterThan(0)
    await own.kill({ keepDir: true })
    await expect.poll(() => forwarder.lastRun?.error, SOON).toMatchObject({ code: 'EBULLMQ' })
    expect(await total(store)).toBeGreaterThan(0)
    await own.restart()
    await expect.poll(() => total(store), { timeout: 40_000 }).toBe(0)
    expect(await queue.count()).toBe(2000)
    await forwarder.close()
    await queue.close()
    await own.stop()
  })
})

describe('a processor of BullMQ', () => {
  let provider: Provider
  let agent: Agent
  let queue: Queue
  beforeEach(async () => {
    provider = await startProvider(ok)
    agent = new Agent()
    queue = queueOf()
    await queue.waitUntilReady()
  })
  afterEach(async () => {
    await agent.destroy()
    await provider.close()
  })

  const letter = (changes: RecordChanges = {}): DeadLetterRecord =>
    makeRecord({ ...changes, request: { url: `${provider.url}/contacts/1`, ...changes.request } })
  const post = { request: { method: 'POST' } }

  function work(
    options: Partial<DeadLetterConsumerOptions> = {},
    worker: Partial<WorkerOptions> = {},
  ): Worker {
    const processor = bullmqProcessor({
      allowedOrigins: [provider.url],
      dispatcher: agent,
      ratePerSecond: Infinity,
      initialBackoffMs: 200,
      maxBackoffMs: 200,
      ...options,
    })
    const made = new Worker(queue.name, processor, { connection: { port: server.port }, ...worker })
    made.on('error', () => undefined)
    opened.push(made)
    return made
  }

  const failures = async (): Promise<Map<string, string>> =>
    new Map((await queue.getFailed()).map(({ id, failedReason }) => [id!, failedReason]))

  it('sends jobs with credentials, and completes them', async () => {
    await bullmqSink(queue).add(Array.from({ length: 10 }, () => letter()))
    work({ credentials: () => ({ authorization: 'Bearer new' }) }, { concurrency: 4 })
    await expect.poll(() => queue.getCompletedCount(), SOON).toBe(10)
    expect(provider.received).toHaveLength(10)
    expect(provider.received[0]!.headers['authorization']).toBe('Bearer new')
  })

  it('fails for good what a person has to decide on, and says why in words', async () => {
    const unknown = letter({ ...post, delivery: 'unknown' })
    const foreign = letter({ request: { url: 'https://elsewhere.example/x' } })
    await bullmqSink(queue).add([unknown, foreign])
    await queue.add('dead-letter', { id: 'x' }, { jobId: 'damaged', attempts: 5 })
    work()
    await expect.poll(async () => (await failures()).size, SOON).toBe(3)
    const reasons = await failures()
    expect(reasons.get(unknown.id)).toMatch(/^in-doubt: it may have arrived, is not repeatable/)
    expect(reasons.get(foreign.id)).toMatch(/^quarantined: .*allowedOrigins/)
    expect(reasons.get('damaged')).toMatch(/^quarantined: damaged: /)
    expect(provider.received).toEqual([])
  })

  it('delays what failed, with what became of it, until its replays are used up', async () => {
    provider.replies = [status(408)]
    const record = letter()
    await bullmqSink(queue).add([record])
    work({ maxReplays: 3 })
    await expect.poll(async () => (await failures()).size, SOON).toBe(1)
    expect(provider.received).toHaveLength(3)
    const job = await queue.getJob(record.id)
    expect(job!.failedReason).toMatch(/^quarantined: /)
    expect((job!.data as { replays: unknown[] }).replays).toHaveLength(3)
    // waits count as no attempts of BullMQ
    expect(job!.attemptsMade).toBe(1)
    // what a person has done again, as a dashboard does, is sent
    provider.replies = [ok]
    await job!.retry()
    await expect.poll(() => queue.getCompletedCount(), SOON).toBe(1)
  })

  it('never undercuts what the provider asks for', async () => {
    provider.replies = [status(429, { 'retry-after': '1' }), ok]
    await bullmqSink(queue).add([letter()])
    work()
    await expect.poll(() => queue.getCompletedCount(), SOON).toBe(1)
    const [first, second] = provider.received
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(990)
  })

  it('sends nothing again that its lost worker may have sent, where that would be unsafe; else it waits', async () => {
    const hang: Reply = () => undefined
    provider.replies = [hang, hang, ok]
    const [unsafe, safe] = [letter(post), letter()]
    await bullmqSink(queue).add([unsafe, safe])
    const lost = work({}, { lockDuration: 500, stalledInterval: 300, concurrency: 2 })
    await expect.poll(() => provider.received.length, SOON).toBe(2)
    // as a process that is killed: it says nothing of its jobs
    await lost.disconnect()
    provider.replies = [ok]
    work({}, { lockDuration: 500, stalledInterval: 300, maxStalledCount: 5 })
    await expect.poll(() => queue.getCompletedCount(), SOON).toBe(1)
    expect(await failures()).toEqual(new Map([[unsafe.id, 'in-doubt: the replayer was lost while sending']]))
    expect(provider.received.map(({ method }) => method).sort()).toEqual(['POST', 'PUT', 'PUT'])
  })
})
