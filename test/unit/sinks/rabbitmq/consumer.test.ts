import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeDeadLetter } from '../../../../src/dead-letter/message/message.ts'
import { rabbitmqConsumer, type RabbitmqConsumer } from '../../../../src/entries/rabbitmq.ts'
import type { Logger } from '../../../../src/telemetry/reporter.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'
import { ScriptedDispatcher } from '../../../support/calls/scripted-dispatcher.ts'
import { quiet } from '../../../support/dead-letters/capture-queue.ts'
import { type FakeDeliver, FakeRabbitmq } from '../../../support/dead-letters/fake-rabbitmq.ts'

let broker: FakeRabbitmq
let provider: ScriptedDispatcher
let consumer: RabbitmqConsumer | undefined
let deliver: FakeDeliver
beforeEach(() => {
  broker = new FakeRabbitmq()
  provider = new ScriptedDispatcher()
})
afterEach(() => consumer?.close({ timeoutMs: 100 }))

/** Resolves when messages can be handed to it. */
async function consume(logger: Logger = quiet): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { onConsume } = broker
  broker.onConsume = (to) => {
    deliver = to
    onConsume(to)
    resolve()
  }
  consumer = rabbitmqConsumer(broker.connect, {
    queue: 'q',
    allowedOrigins: ['https://api.example.com'],
    dispatcher: provider,
    ratePerSecond: Infinity,
    logger,
  })
  await promise
}

/** As an API takes it that must not get it twice. */
const postOf = (): string =>
  encodeDeadLetter(makeRecord({ delivery: 'not-sent', request: { method: 'POST' } }))

describe('a consumer of RabbitMQ with several messages of one record', () => {
  it('sends it once, though they are in hand at the same time', async () => {
    await consume()
    const post = postOf()
    for (let i = 1; i <= 3; i++) deliver(post, { headers: { 'x-publication': `p${i}` } })
    await expect.poll(() => provider.attempts.length).toBe(1)
    provider.attempts[0]!.respond(200)
    await expect.poll(() => broker.acknowledged).toBe(3)
    expect(provider.attempts).toHaveLength(1)
    expect(broker.published).toEqual([])
  })

  it('lets one of them wait for all', async () => {
    await consume()
    const post = postOf()
    for (let i = 1; i <= 3; i++) deliver(post, { headers: { 'x-publication': `p${i}` } })
    await expect.poll(() => provider.attempts.length).toBe(1)
    provider.attempts[0]!.fail(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
    await expect.poll(() => broker.acknowledged).toBe(3)
    expect(provider.attempts).toHaveLength(1)
    expect(broker.published).toHaveLength(1)
  })
})

describe('a consumer of RabbitMQ that hands a message on', () => {
  const refuse = (): void => {
    provider.answer = (attempt) => attempt.fail(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
  }
  const marks = (): boolean[] => broker.published.map(({ headers }) => headers['x-maybe-twice'] === true)

  /** Hands it out until it is acknowledged, as the broker does. */
  async function deliverAll(headers: Record<string, unknown>, redelivered = false): Promise<void> {
    const post = postOf()
    deliver(post, { headers, redelivered })
    broker.onConsume = (again) => again(post, { headers, redelivered: true })
    await expect.poll(() => broker.acknowledged, { timeout: 5000 }).toBe(1)
  }

  it.each([
    ['its first wait', {}],
    ['the rest of a long wait', { 'x-wait-left-ms': 3000 }],
  ])('marks the second copy for %s when the confirm of the first was lost', async (_what, headers) => {
    refuse()
    broker.onPublish = ({ confirm }, at) => confirm(at === 1 ? new Error('channel closed') : undefined)
    await consume()
    await deliverAll({ 'x-publication': 'p', ...headers })
    expect(marks()).toEqual([false, true])
    expect(provider.attempts.length).toBeLessThan(2)
  })

  it('marks no copy of one that was surely not taken', async () => {
    refuse()
    broker.onPublish = ({ confirm }, at) => confirm(at === 1 ? new Error('message nacked') : undefined)
    await consume()
    await deliverAll({ 'x-publication': 'p', 'x-wait-left-ms': 3000 })
    expect(marks()).toEqual([false, false])
  })

  it('marks the copy for the rest of a wait that another consumer may have made already', async () => {
    await consume()
    await deliverAll({ 'x-publication': 'p', 'x-wait-left-ms': 3000 }, true)
    expect(marks()).toEqual([true])
  })

  it('marks the second copy though the first is still on its way when it is handed out again', async () => {
    refuse()
    const confirms: (() => void)[] = []
    broker.onPublish = ({ confirm }) => confirms.push(confirm)
    await consume()
    const post = postOf()
    const headers = { 'x-publication': 'p' }
    deliver(post, { headers })
    await expect.poll(() => broker.published.length).toBe(1)
    deliver(post, { headers, redelivered: true })
    await expect.poll(() => broker.published.length).toBe(2)
    for (const confirm of confirms) confirm()
    await expect.poll(() => broker.acknowledged).toBe(2)
    expect(marks()).toEqual([false, true])
  })
})

describe('a consumer of RabbitMQ that can hand nothing on', () => {
  it('tries less and less often, and says once why', async () => {
    provider.answer = (attempt) => attempt.fail(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
    let isFull = true
    broker.onPublish = ({ confirm }) => confirm(isFull ? new Error('message nacked') : undefined)
    const warnings: string[] = []
    const notes: string[] = []
    const post = postOf()
    let times = 0
    broker.onConsume = (again) => again(post, { headers: { 'x-publication': 'p' }, redelivered: times++ > 0 })
    const began = performance.now()
    await consume({
      ...quiet,
      warn: (_context: object, message: string) => void warnings.push(message),
      info: (_context: object, message: string) => void notes.push(message),
    })
    await expect.poll(() => broker.connections, { timeout: 10_000 }).toBeGreaterThanOrEqual(4)
    // at least 50, 100 and 200 ms; with nothing learned 50 to 100 each
    expect(performance.now() - began).toBeGreaterThan(320)
    expect(warnings).toEqual([
      expect.stringMatching(/consuming dead letters of q failed: .*the queue q\.wait\.\d+s is full/),
    ])
    expect(notes).not.toContain('RabbitMQ is back')
    isFull = false
    await expect.poll(() => broker.acknowledged, { timeout: 10_000 }).toBe(1)
    await expect.poll(() => notes).toContain('RabbitMQ is back')
  })
})
