import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryStore } from '../../../src/index.ts'
import { createCalComClient } from '../../../src/providers/cal-com.ts'
import {
  createMailchimpClient,
  createMailchimpTransactionalClient,
  preset as mailchimp,
  transactionalPreset as transactional,
} from '../../../src/providers/mailchimp.ts'
import { createSendGridClient } from '../../../src/providers/sendgrid.ts'
import { FakeCalCom } from '../../support/providers/fakes/fake-cal-com.ts'
import { FakeMailchimpTransactional } from '../../support/providers/fakes/fake-mailchimp-transactional.ts'
import { FakeMailchimp } from '../../support/providers/fakes/fake-mailchimp.ts'
import type { FakeProvider } from '../../support/providers/fakes/fake-provider.ts'
import { FakeSendGrid } from '../../support/providers/fakes/fake-sendgrid.ts'
import { presetCases } from '../../support/providers/preset-cases.ts'

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

const mail = { from_email: 'shop@example.com', to: [{ email: 'ada@example.com' }], subject: 'Your order' }

interface Slow {
  title: string
  /** The provider's own limit of an answer, in milliseconds. */
  ownMs: number
  preset: { attemptTimeoutMs: number; totalTimeoutMs: number }
  /** Times are divided by it. */
  by: number
  fake: () => FakeProvider
  call: (options: object) => { close(): Promise<unknown>; run: () => Promise<unknown> }
}

const slow: Slow[] = [
  {
    title: 'Mailchimp Marketing',
    ownMs: 120_000,
    preset: mailchimp,
    by: 20,
    fake: () => new FakeMailchimp('s3cr3t0key-us6'),
    call: (options) => {
      const client = createMailchimpClient({ apiKey: 's3cr3t0key-us6', ...options })
      return { close: () => client.close(), run: () => client.setMember('l1', 'ada@example.com') }
    },
  },
  {
    title: 'Mailchimp Transactional',
    ownMs: 300_000,
    preset: transactional,
    by: 40,
    fake: () => new FakeMailchimpTransactional('md-s3cr3t'),
    call: (options) => {
      const client = createMailchimpTransactionalClient({ apiKey: 'md-s3cr3t', ...options })
      return { close: () => client.close(), run: () => client.send(mail) }
    },
  },
]

/** Those whose limit is that of their own SDK; a time in the test is long enough for a busy machine. */
for (const [integration, ownMs, by] of [
  ['stripe', 80_000, 9],
  ['twilio', 30_000, 4],
] as const) {
  const one = presetCases.find((other) => other.integration === integration)!
  slow.push({
    title: one.title,
    ownMs,
    preset: one.preset,
    by,
    fake: () => one.fake(),
    call: (options) => {
      const client = one.client(options)
      return { close: () => client.close(), run: () => one.create(client, 'ada') }
    },
  })
}

describe('an honest answer at 0.95 of the own limit of', () => {
  it.concurrent.each(slow)('$title is one request and no letter', async (one) => {
    const fake = await one.fake().start()
    fake.latencyMs = (one.ownMs * 0.95) / one.by
    const store = memoryStore()
    const { attemptTimeoutMs, totalTimeoutMs } = one.preset
    const made = one.call({
      baseUrl: fake.baseUrl,
      store,
      attemptTimeoutMs: Math.round(attemptTimeoutMs / one.by),
      totalTimeoutMs: Math.round(totalTimeoutMs / one.by),
    })
    try {
      await made.run()
    } finally {
      await made.close()
      await fake.close()
    }
    expect(fake.requests).toHaveLength(1)
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
    // when they go: when they arrive is also a matter of how busy this machine is
    const times: number[] = []
    const going = (message: unknown) => {
      const { request } = message as { request: { origin: string } }
      if (request.origin === fake.origin) times.push(performance.now())
    }
    subscribe('undici:request:create', going)
    await Promise.all(Array.from({ length: 10 }, () => cal.listBookings()))
    unsubscribe('undici:request:create', going)
    expect(fake.peak).toBeLessThanOrEqual(3)
    expect(times).toHaveLength(10)
    for (const [n, at] of times.entries()) {
      const fifth = times[n + 4]
      if (fifth !== undefined) expect(fifth - at).toBeGreaterThanOrEqual(1_000)
    }
  })
})
