import { randomUUID } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import amqp from 'amqplib'
import { Agent } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { forwardDeadLetters } from '../../../src/dead-letter/forward/forward.ts'
import { localDeadLetters } from '../../../src/dead-letter/local/local-dead-letters.ts'
import { decodeDeadLetter, encodeDeadLetter } from '../../../src/dead-letter/message/message.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import {
  rabbitmqConsumer,
  type RabbitmqConsumer,
  type RabbitmqConsumerOptions,
  rabbitmqSink,
  type RabbitmqSink,
  type RabbitmqSinkOptions,
} from '../../../src/entries/rabbitmq.ts'
import { deadLetterSinkContract } from '../../../src/testing/contracts/dead-letter-sink.ts'
import { makeRecord, type RecordChanges } from '../../../src/testing/contracts/records.ts'
import { runner } from '../../contracts/runner.ts'
import { ok, type Provider, type Reply, startProvider, status } from '../../support/calls/provider.ts'
import { startSlowProxy } from '../../support/calls/slow-proxy.ts'
import { closeQueues, queueOn, quiet, total } from '../../support/dead-letters/capture-queue.ts'
import { idsOf, lookAtQueues, type QueueLook } from '../../support/servers/rabbitmq-queue.ts'
import { type RunningRabbitmq, startRabbitmq } from '../../support/servers/rabbitmq-server.ts'

/** What a busy machine needs. */
const SOON = { timeout: 20_000 }

let server: RunningRabbitmq
let look: QueueLook
beforeAll(async () => {
  server = await startRabbitmq()
  look = await lookAtQueues(server.url)
}, 120_000)
afterAll(async () => {
  await look.close()
  await server.stop()
})

/** Answers when it is told to. */
const hold =
  (until: Promise<void>): Reply =>
  async (_request, response) => {
    await until
    response.end('ok')
  }

const connect = () => amqp.connect(server.url)
const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

function sinkTo(queue: string, options: Partial<RabbitmqSinkOptions> = {}): RabbitmqSink {
  const sink = rabbitmqSink(connect, { queue, ...options })
  opened.push(sink)
  return sink
}

async function newQueue(args: Record<string, unknown> = {}): Promise<string> {
  const queue = `letters-${randomUUID()}`
  await look.channel.assertQueue(queue, { durable: true, arguments: args })
  return queue
}

describe('the contract of sinks', () => {
  deadLetterSinkContract(runner, 'RabbitMQ', async () => {
    const queue = await newQueue()
    const sink = rabbitmqSink(connect, { queue })
    return {
      sink,
      arrived: async () => idsOf(await look.take(queue)),
      dispose: async () => {
        await sink.close()
        await look.channel.deleteQueue(queue)
      },
    }
  })
})

describe('a sink of RabbitMQ', () => {
  it('sends messages that are durable, known by their id, and can be routed and read', async () => {
    const queue = await newQueue()
    const record = makeRecord({ labels: { tenant: 't' } })
    await sinkTo(queue).add([record])
    const [message] = await look.take(queue)
    const { properties, content } = message!
    expect(properties).toMatchObject({
      messageId: record.id,
      deliveryMode: 2,
      type: 'dead-letter',
      contentType: 'application/vnd.undici-resilience.dead-letter+json;version=1',
      timestamp: Math.floor(record.timestamp / 1000),
      headers: {
        integration: 'hubspot',
        origin: 'https://api.example.com',
        reason: 'exhausted',
        delivery: 'responded',
      },
    })
    expect(properties.headers).not.toHaveProperty('x-maybe-twice')
    expect(decodeDeadLetter(content)).toMatchObject({ id: record.id, labels: { tenant: 't' } })
  })

  it('routes by an exchange, and a key made of the record', async () => {
    const queue = await newQueue()
    const exchange = `letters-${randomUUID()}`
    await look.channel.assertExchange(exchange, 'topic')
    await look.channel.bindQueue(queue, exchange, 'hubspot.#')
    const sink = rabbitmqSink(connect, {
      exchange,
      routingKey: ({ integration, reason }) => `${integration}.${reason}`,
    })
    opened.push(sink)
    const record = makeRecord()
    await sink.add([record])
    expect(idsOf(await look.take(queue))).toEqual([record.id])
  })

  it('is not fooled by a confirm for what no queue takes: it rejects, and goes on when there is one', async () => {
    const queue = `letters-${randomUUID()}`
    const sink = sinkTo(queue)
    const record = makeRecord()
    await expect(sink.add([record])).rejects.toThrow(
      `no queue takes messages of exchange "" with the routing key "${queue}"`,
    )
    await look.channel.assertQueue(queue, { durable: true })
    expect((await sink.add([record])).kept).toEqual([record.id])
    // it is sure that the first one did not arrive
    expect((await look.take(queue))[0]!.properties.headers).not.toHaveProperty('x-maybe-twice')
  })

  it('says which records a full queue refuses', async () => {
    const queue = await newQueue({ 'x-max-length': 2, 'x-overflow': 'reject-publish' })
    const records = Array.from({ length: 6 }, () => makeRecord())
    const { kept, refused } = await sinkTo(queue).add(records)
    expect([...kept, ...refused].sort()).toEqual(records.map(({ id }) => id).sort())
    expect(kept.length).toBeGreaterThanOrEqual(2)
    expect(refused.length).toBeGreaterThan(0)
    expect(idsOf(await look.take(queue))).toEqual([...kept].sort())
  })

  it('makes its channel anew when it was closed: by an exchange that is not there', async () => {
    const exchange = `letters-${randomUUID()}`
    const queue = await newQueue()
    const sink = rabbitmqSink(connect, { exchange, routingKey: 'k' })
    opened.push(sink)
    const record = makeRecord()
    await expect(sink.add([record])).rejects.toThrow('NOT_FOUND')
    await look.channel.assertExchange(exchange, 'direct')
    await look.channel.bindQueue(queue, exchange, 'k')
    expect((await sink.add([record])).kept).toEqual([record.id])
  })

  it('refuses a record that is too large for a message, and publishes none of its batch before', async () => {
    const queue = await newQueue()
    const sink = sinkTo(queue, { maxMessageBytes: 4096 })
    const small = makeRecord()
    const large = makeRecord({ request: { body: Buffer.alloc(5000, 'x') } })
    await expect(sink.add([small, large])).rejects.toMatchObject({
      code: 'ERR_MESSAGE_TOO_LARGE',
      id: large.id,
    })
    expect(await look.count(queue)).toBe(0)
  })

  it('has every record in the spool or in the queue when it is cut off in the middle, and says which may be there', async () => {
    const queue = await newQueue()
    const proxy = await startSlowProxy(server.port)
    const spool = localDeadLetters({ maxRecords: 5000 })
    const sink = rabbitmqSink(() => amqp.connect(`amqp://guest:guest@127.0.0.1:${proxy.port}`), {
      queue,
      confirmTimeoutMs: 500,
    })
    opened.push(sink)
    await sink.add([makeRecord()])
    const warnings: string[] = []
    const logger = { ...quiet, warn: (_context: object, message: string) => void warnings.push(message) }
    const captures = queueOn(sink, { sink: sink.name, spool, storeTimeoutMs: 20_000, logger })
    // the broker has them, and its confirms never come
    proxy.delayMs = 60_000
    const records = Array.from({ length: 300 }, () => makeRecord())
    for (const record of records) captures.push(record)
    expect(await captures.flush(30_000)).toBe(true)
    await expect.poll(() => total(spool), SOON).toBe(300)
    await expect
      .poll(() => warnings.join(), SOON)
      .toContain('the confirms of RabbitMQ took longer than 500 ms')
    proxy.delayMs = 0
    await expect.poll(() => total(spool), SOON).toBe(0)
    const messages = await look.take(queue)
    expect(idsOf(messages)).toEqual(expect.arrayContaining(records.map(({ id }) => id)))
    const second = new Map(
      messages.map(({ properties }) => [properties.messageId as string, properties.headers]),
    )
    expect(records.every(({ id }) => second.get(id)!['x-maybe-twice'] === true)).toBe(true)
    await closeQueues()
    await proxy.close()
  })

  it.each([
    ['missing', undefined],
    ['full', { 'x-max-length': 8, 'x-overflow': 'reject-publish' }],
  ])('has what a queue that is %s does not take in the spool, until there is room', async (_what, args) => {
    const queue = args === undefined ? `letters-${randomUUID()}` : await newQueue(args)
    const spool = localDeadLetters()
    const sink = sinkTo(queue)
    // connected, so that what comes now is not in the spool for the time that this takes
    await sink.add([makeRecord()]).catch(() => undefined)
    const captures = queueOn(sink, { sink: sink.name, spool, storeTimeoutMs: 5000 })
    const records = Array.from({ length: 20 }, () => makeRecord())
    for (const record of records) captures.push(record)
    expect(await captures.flush(10_000)).toBe(true)
    await captures.settle(10_000)
    expect(await total(spool)).toBeGreaterThan(0)
    const seen = new Set<string>()
    await look.channel.assertQueue(queue, { durable: true, arguments: args })
    await expect
      .poll(
        async () => {
          for (const id of idsOf(await look.take(queue))) seen.add(id)
          return records.filter(({ id }) => seen.has(id)).length
        },
        { timeout: 30_000, interval: 20 },
      )
      .toBe(20)
    await expect.poll(() => total(spool), SOON).toBe(0)
    await closeQueues()
  })

  it('uses a connection that somebody else looks after, and leaves it open', async () => {
    const queue = await newQueue()
    const connection = await connect()
    const sink = rabbitmqSink(connection, { queue })
    await sink.add([makeRecord()])
    await sink.close()
    const other = await connection.createChannel()
    expect((await other.checkQueue(queue)).messageCount).toBe(1)
    await connection.close()
  })

  it('declares what `setup` says, on each channel', async () => {
    const queue = `letters-${randomUUID()}`
    const sink = sinkTo(queue, { setup: (channel) => channel.assertQueue(queue, { durable: true }) })
    const record = makeRecord()
    expect((await sink.add([record])).kept).toEqual([record.id])
  })

  it('takes what a forwarder moves out of a store, with what replays have said', async () => {
    const queue = await newQueue()
    const store = localDeadLetters()
    const records = Array.from({ length: 300 }, () => makeRecord())
    await store.add(records)
    expect(await forwardDeadLetters(store, sinkTo(queue))).toMatchObject({ forwarded: 300, isEmpty: true })
    expect(idsOf(await look.take(queue))).toEqual(records.map(({ id }) => id).sort())
    expect((await store.stats()).total).toBe(0)
  })
})

describe('a consumer of RabbitMQ', () => {
  let provider: Provider
  let agent: Agent
  let queue: string
  beforeEach(async () => {
    provider = await startProvider(ok)
    agent = new Agent()
    queue = await newQueue()
  })
  afterEach(async () => {
    await agent.destroy()
    await provider.close()
  })

  const letter = (changes: RecordChanges = {}): DeadLetterRecord =>
    makeRecord({ ...changes, request: { url: `${provider.url}/contacts/1`, ...changes.request } })
  const post = { request: { method: 'POST' } }

  function consume(options: Partial<RabbitmqConsumerOptions> = {}): RabbitmqConsumer {
    const consumer = rabbitmqConsumer(connect, {
      queue,
      allowedOrigins: [provider.url],
      dispatcher: agent,
      ratePerSecond: Infinity,
      initialBackoffMs: 500,
      maxBackoffMs: 500,
      logger: quiet,
      ...options,
    })
    opened.push(consumer)
    return consumer
  }

  async function parked(count: number): Promise<[id: string, as: unknown, note: unknown][]> {
    const name = `${queue}.parked`
    await expect.poll(() => look.count(name), SOON).toBe(count)
    return (await look.take(name)).map(({ properties: { messageId, headers } }) => [
      String(messageId),
      headers!['x-parked'],
      headers!['x-note'],
    ])
  }

  it('sends what is in the queue, with credentials, and acknowledges it', async () => {
    const records = Array.from({ length: 20 }, () => letter())
    await sinkTo(queue).add(records)
    const consumer = consume({ credentials: () => ({ authorization: 'Bearer new' }) })
    await expect.poll(() => provider.received.length, SOON).toBe(20)
    expect(provider.received[0]!.headers['authorization']).toBe('Bearer new')
    await consumer.close()
    expect(await look.count(queue)).toBe(0)
  })

  it('parks what a person has to decide on, and what cannot be read, and says why', async () => {
    const unknown = letter({ ...post, delivery: 'unknown' })
    const foreign = letter({ request: { url: 'https://elsewhere.example/x' } })
    const held = letter()
    await sinkTo(queue).add([
      unknown,
      foreign,
      { ...held, status: 'in-doubt', note: 'look' } as DeadLetterRecord,
    ])
    look.channel.sendToQueue(queue, Buffer.from('{"id":"x"}'), { messageId: 'damaged' })
    consume()
    const all = new Map((await parked(4)).map(([id, ...why]) => [id, why]))
    expect(all.get(unknown.id)).toEqual(['in-doubt', expect.stringContaining('it may have arrived')])
    expect(all.get(foreign.id)).toEqual(['quarantined', expect.stringContaining('allowedOrigins')])
    expect(all.get(held.id)).toEqual(['in-doubt', 'look'])
    expect(all.get('damaged')).toEqual(['quarantined', expect.stringContaining('damaged: ')])
    expect(provider.received).toEqual([])
  })

  it('lets what failed wait, and brings it back with what became of it, until its replays are used up', async () => {
    provider.replies = [status(408), status(408), ok]
    const [first, second] = [letter(), letter({ request: { url: `${provider.url}/contacts/2` } })]
    await sinkTo(queue).add([first])
    consume({ maxReplays: 2 })
    await expect.poll(() => provider.received.length, SOON).toBe(2)
    expect(await parked(1)).toEqual([[first.id, 'quarantined', expect.any(String)]])
    await sinkTo(queue).add([second])
    await expect.poll(() => provider.received.length, SOON).toBe(3)
  })

  it('never undercuts what the provider asks for, and goes on with other providers meanwhile', async () => {
    provider.replies = [status(429, { 'retry-after': '2' }), ok]
    await sinkTo(queue).add([letter()])
    const other = await startProvider(ok)
    consume({ allowedOrigins: [provider.url, other.url] })
    await expect.poll(() => provider.received.length, SOON).toBe(1)
    await sinkTo(queue).add([letter({ request: { url: `${other.url}/x` } })])
    await expect.poll(() => other.received.length, SOON).toBe(1)
    await expect.poll(() => provider.received.length, SOON).toBe(2)
    const [asked, again] = provider.received
    expect(again!.at - asked!.at).toBeGreaterThanOrEqual(2_000)
    expect(other.received[0]!.at).toBeLessThan(again!.at)
    await other.close()
  })

  it('sends a record once that is in the queue twice', async () => {
    const record = letter(post)
    const sink = sinkTo(queue)
    await sink.add([record])
    await sink.add([record])
    const consumer = consume({ concurrency: 1 })
    await expect.poll(() => look.count(queue), SOON).toBe(0)
    await consumer.close()
    expect(provider.received).toHaveLength(1)
  })

  it('parks what may be in the queue twice and must not be sent twice, and sends what may', async () => {
    const [unsafe, safe] = [letter(post), letter()]
    for (const record of [unsafe, safe]) {
      const headers = { 'x-maybe-twice': true }
      look.channel.sendToQueue(queue, Buffer.from(encodeDeadLetter(record)), {
        messageId: record.id,
        headers,
      })
    }
    consume()
    expect(await parked(1)).toEqual([[unsafe.id, 'in-doubt', expect.stringContaining('in the queue twice')]])
    await expect.poll(() => provider.received.length, SOON).toBe(1)
    expect(provider.received[0]!.method).toBe('PUT')
  })

  it('never sends again what its lost connection hands out again, and acknowledges it', async () => {
    const release = Promise.withResolvers<void>()
    provider.replies = [hold(release.promise)]
    let connection: amqp.ChannelModel | undefined
    const consumer = rabbitmqConsumer(async () => (connection = await connect()), {
      queue,
      allowedOrigins: [provider.url],
      dispatcher: agent,
      logger: quiet,
    })
    opened.push(consumer)
    await sinkTo(queue).add([letter(post)])
    await expect.poll(() => provider.received.length, SOON).toBe(1)
    await connection!.close()
    // it is handed out again while it is being sent
    const isBack = async () => (await look.channel.checkQueue(queue)).consumerCount === 1
    await expect.poll(isBack, SOON).toBe(true)
    await expect.poll(() => look.count(queue), SOON).toBe(0)
    release.resolve()
    await expect.poll(() => look.count(queue), SOON).toBe(0)
    await consumer.close()
    expect(await look.count(queue)).toBe(0)
    expect(await look.count(`${queue}.parked`)).toBe(0)
    expect(provider.received).toHaveLength(1)
  })

  it('parks what another consumer was lost with where it must not be sent twice; else that waits', async () => {
    const [unsafe, safe] = [letter(post), letter()]
    await sinkTo(queue).add([unsafe, safe])
    const lost = await lookAtQueues(server.url)
    await lost.channel.consume(queue, () => undefined)
    await expect.poll(async () => (await look.channel.checkQueue(queue)).messageCount, SOON).toBe(0)
    await lost.close()
    consume()
    expect(await parked(1)).toEqual([[unsafe.id, 'in-doubt', expect.stringContaining('lost while sending')]])
    await expect.poll(() => provider.received.length, SOON).toBe(1)
    expect(provider.received[0]!.method).toBe('PUT')
  })

  it('gives back at `close` what it has not begun, and finishes what it has', async () => {
    const release = Promise.withResolvers<void>()
    provider.replies = [hold(release.promise)]
    await sinkTo(queue).add([letter(post), letter(post), letter(post)])
    const consumer = consume({ concurrency: 3, ratePerSecond: 0.1 })
    await expect.poll(() => provider.received.length, SOON).toBe(1)
    const closing = consumer.close()
    release.resolve()
    await closing
    const left = await look.take(queue)
    expect(left).toHaveLength(2)
    expect(left.map(({ fields }) => fields.redelivered)).toEqual([false, false])
    expect(decodeDeadLetter(left[0]!.content).replays).toEqual([])
    expect(provider.received).toHaveLength(1)
  })

  it('is closed soon, though the broker never answers', async () => {
    const nobody = createServer(() => undefined)
    await new Promise<void>((resolve) => nobody.listen(0, '127.0.0.1', resolve))
    const url = `amqp://127.0.0.1:${(nobody.address() as AddressInfo).port}`
    const allowedOrigins = [provider.url]
    const consumer = rabbitmqConsumer(() => amqp.connect(url), { queue, allowedOrigins, logger: quiet })
    const sink = rabbitmqSink(() => amqp.connect(url), { queue, connectTimeoutMs: 200 })
    await expect(sink.add([letter()])).rejects.toThrow('connecting to RabbitMQ took longer than 200 ms')
    const since = performance.now()
    await Promise.all([consumer.close(), sink.close()])
    expect(performance.now() - since).toBeLessThan(9000)
    nobody.close()
  })

  it('waits for a queue that is not there yet', async () => {
    queue = `letters-${randomUUID()}`
    const warnings: string[] = []
    const logger = { ...quiet, warn: (_context: object, message: string) => void warnings.push(message) }
    consume({ logger })
    await expect.poll(() => warnings.length, SOON).toBe(1)
    expect(warnings[0]).toContain('NOT_FOUND')
    await look.channel.assertQueue(queue, { durable: true })
    look.channel.sendToQueue(queue, Buffer.from(encodeDeadLetter(letter())))
    await expect.poll(() => provider.received.length, SOON).toBe(1)
  })
})
