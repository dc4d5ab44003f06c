import { Agent } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryStore } from '../../../src/index.ts'
import { createCalComClient } from '../../../src/providers/cal-com.ts'
import { createMailchimpClient } from '../../../src/providers/mailchimp.ts'
import { createSendGridClient } from '../../../src/providers/sendgrid.ts'
import { departuresTo } from '../../support/calls/departures.ts'
import { cases } from '../../support/providers/cases.ts'
import { FakeCalCom } from '../../support/providers/fakes/fake-cal-com.ts'
import { FakeMailchimp } from '../../support/providers/fakes/fake-mailchimp.ts'
import { FakeSendGrid } from '../../support/providers/fakes/fake-sendgrid.ts'
import { presetCases } from '../../support/providers/preset-cases.ts'
import { answersAfter } from '../../support/providers/slow-road.ts'

let close: (() => Promise<unknown>)[]
beforeEach(() => {
  close = []
})
afterEach(async () => {
  for (const one of close) await one()
})
const closing = <T extends { close(): Promise<unknown> }>(one: T): T => {
  close.unshift(() => one.close())
  return one
}

/** An attempt of any preset takes so long here: its own times, and with them the answers', are divided. */
const ATTEMPT_MS = 5_000

// that an attempt may take longer than the provider's own limit of an answer is in test/unit/providers/timeouts.test.ts
describe('an honest answer at 0.95 of the longest time of an attempt', () => {
  it.concurrent.each([...cases, ...presetCases])('at $title is one request and no letter', async (one) => {
    const fake = await one.fake().start()
    const store = memoryStore()
    const road = new Agent().compose(answersAfter(0.95 * ATTEMPT_MS))
    const { attemptTimeoutMs, totalTimeoutMs } = one.preset
    const client = one.client({
      baseUrl: fake.baseUrl,
      store,
      dispatcher: road,
      attemptTimeoutMs: ATTEMPT_MS,
      totalTimeoutMs: Math.round((totalTimeoutMs * ATTEMPT_MS) / attemptTimeoutMs),
    })
    const from = performance.now()
    try {
      await Promise.all([one.read(client, 'grace'), one.create(client, 'ada')])
    } finally {
      await client.close()
      await road.close()
      await fake.close()
    }
    expect(performance.now() - from).toBeGreaterThan(0.94 * ATTEMPT_MS)
    expect(fake.requests).toHaveLength(2)
    expect([...fake.created.values()]).toEqual([1])
    expect((await store.deadLetters.list()).items).toEqual([])
  })
})

describe('a refusal that passes', () => {
  it('of a SendGrid block is one request, and the mail is kept', async () => {
    const store = memoryStore()
    const fake = closing(await new FakeSendGrid('SG.s3cr3t').start())
    const sendgrid = closing(createSendGridClient({ apiKey: 'SG.s3cr3t', baseUrl: fake.baseUrl, store }))
    fake.faults = [{ instead: fake.error(403, 'Forbidden') }]
    const error: unknown = await sendgrid
      .send({
        personalizations: [{ to: [{ email: 'ada@example.com' }] }],
        from: { email: 'shop@example.com' },
        subject: 'Your order',
      })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'IntegrationError', statusCode: 403, attempts: 1 })
    await sendgrid.close()
    const { items } = await store.deadLetters.list()
    expect(items).toMatchObject([{ reason: 'final', delivery: 'responded', replayable: true }])
    expect((error as { deadLetterId?: string }).deadLetterId).toBe(items[0]?.id)
  })

  it('of a Mailchimp address that signed up too often is kept for tomorrow, and stops nobody else', async () => {
    const store = memoryStore()
    const fake = closing(await new FakeMailchimp('s3cr3t0key-us6').start())
    const client = closing(createMailchimpClient({ apiKey: 's3cr3t0key-us6', baseUrl: fake.baseUrl, store }))
    const detail = 'ada@example.com has signed up to a lot of lists very recently; not allowing more signups'
    fake.faults = [{ instead: fake.error(400, 'Invalid Resource', detail) }]
    await expect(client.setMember('l1', 'ada@example.com')).rejects.toMatchObject({
      providerCode: 'TOO_MANY_SIGNUPS',
      attempts: 1,
    })
    await client.setMember('l1', 'grace@example.com')
    await client.close()
    const [letter] = (await store.deadLetters.list()).items
    expect(letter?.notBefore).toBeGreaterThan(Date.now() + 86_000_000)
    expect(fake.requests).toHaveLength(2)
  })

  it('of a blocked IP address opens no circuit, and no other call runs into it', async () => {
    const store = memoryStore()
    const fake = closing(await new FakeMailchimp('s3cr3t0key-us6').start())
    const client = closing(
      createMailchimpClient({
        apiKey: 's3cr3t0key-us6',
        baseUrl: fake.baseUrl,
        store,
        circuitBreaker: { failureThreshold: 1 },
        rateLimit: { maxWaitMs: 0 },
      }),
    )
    const headers = { 'content-type': 'text/html' }
    fake.faults = [{ instead: { status: 503, headers, body: '<title>Request Blocked</title>' } }]
    await expect(client.setMember('l1', 'ada@example.com')).rejects.toMatchObject({
      name: 'RateLimitError',
      providerCode: 'IP_BLOCKED',
    })
    expect(client.circuits.list()).toMatchObject([{ state: 'closed', failures: 0 }])
    await expect(client.setMember('l1', 'grace@example.com')).rejects.toMatchObject({
      name: 'RateLimitError',
    })
    expect(fake.requests).toHaveLength(1)
    await client.close()
    expect((await store.deadLetters.list()).items).toHaveLength(2)
  })
})

describe('a burst on Cal.com', () => {
  it('has at most three requests at once, and four in a second', async () => {
    const fake = closing(await new FakeCalCom('s3cr3t-key').start())
    fake.latencyMs = 50
    const cal = closing(createCalComClient({ apiKey: 's3cr3t-key', baseUrl: fake.baseUrl }))
    const { at: times, stop } = departuresTo(() => fake.origin)
    await Promise.all(Array.from({ length: 10 }, () => cal.listBookings()))
    stop()
    expect(fake.peak).toBeLessThanOrEqual(3)
    expect(times).toHaveLength(10)
    for (const [n, at] of times.entries()) {
      const fifth = times[n + 4]
      if (fifth !== undefined) expect(fifth - at).toBeGreaterThanOrEqual(1_000)
    }
  })
})
