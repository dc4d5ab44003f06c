import { Agent } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryStore, replayDeadLetters, resilience } from '../../../src/index.ts'
import {
  createMailchimpClient,
  createMailchimpTransactionalAgent,
  createMailchimpTransactionalClient,
  transactionalPreset,
} from '../../../src/providers/mailchimp.ts'
import { createSendGridClient } from '../../../src/providers/sendgrid.ts'
import { FakeMailchimpTransactional } from '../../support/providers/fakes/fake-mailchimp-transactional.ts'
import { FakeMailchimp } from '../../support/providers/fakes/fake-mailchimp.ts'
import { FakeSendGrid } from '../../support/providers/fakes/fake-sendgrid.ts'
import { guardSecrets } from '../../support/providers/guard-secrets.ts'

const keepRecords = guardSecrets(['SG.s3cr3t', 'md-s3cr3t', 's3cr3t0key-us6'])
const quick = { retry: { initialBackoffMs: 1 } }
let close: (() => Promise<unknown>)[]
const closing = <T extends { close(): Promise<unknown> }>(one: T): T => {
  close.unshift(async () => {
    if ('deadLetters' in one) await keepRecords(one as never)
    await one.close()
  })
  return one
}
beforeEach(() => {
  close = []
})
afterEach(async () => {
  for (const one of close) await one()
})

describe('the SendGrid client', () => {
  const mail = {
    personalizations: [{ to: [{ email: 'ada@example.com' }] }],
    from: { email: 'shop@example.com' },
    subject: 'Your order',
  }
  async function start(options = {}) {
    const fake = closing(await new FakeSendGrid('SG.s3cr3t').start())
    return {
      fake,
      sendgrid: closing(
        createSendGridClient({ apiKey: 'SG.s3cr3t', baseUrl: fake.baseUrl, ...quick, ...options }),
      ),
    }
  }

  it('sends a mail and says its id; a sandboxed one is sent to nobody', async () => {
    const { fake, sendgrid } = await start()
    expect(await sendgrid.send(mail)).toEqual({ messageId: 'm-1' })
    expect(await sendgrid.send({ ...mail, mail_settings: { sandbox_mode: { enable: true } } })).toEqual({
      messageId: undefined,
    })
    expect(fake.created.size).toBe(1)
  })

  it('repeats an upsert of contacts, which is a PUT', async () => {
    const { fake, sendgrid } = await start()
    fake.faults = [{ afterwards: 'reset' }, { instead: { status: 500 } }]
    expect(await sendgrid.upsertContacts([{ email: 'ada@example.com' }], { listIds: ['l'] })).toEqual({
      jobId: 'job-1',
    })
    expect(fake.requests.map(({ json }) => json['list_ids'])).toEqual([['l'], ['l'], ['l']])
  })

  it('keeps in whose name a mail was to be sent, for its replay', async () => {
    const store = memoryStore()
    const { fake, sendgrid } = await start({ onBehalfOf: 'subuser', store })
    fake.faults = [{ instead: fake.credits() }]
    await expect(sendgrid.send(mail)).rejects.toMatchObject({ providerCode: 'MAX_CREDITS', statusCode: 401 })
    await sendgrid.close()
    const [letter] = (await store.deadLetters.list()).items
    expect(letter?.request.headers).toMatchObject({ 'on-behalf-of': 'subuser' })
    expect((letter?.notBefore ?? 0) % 86_400_000).toBe(0)
  })

  it('waits until the second that the limit names', async () => {
    const { fake, sendgrid } = await start()
    fake.faults = [{ instead: fake.limited(300) }]
    await sendgrid.send(mail)
    expect(fake.requests).toHaveLength(2)
    expect(fake.early).toBe(0)
  })

  it('refuses more recipients than SendGrid takes, before any request', async () => {
    const { fake, sendgrid } = await start()
    const to = Array.from({ length: 1001 }, (_, n) => ({ email: `${n}@example.com` }))
    await expect(sendgrid.send({ ...mail, personalizations: [{ to }] })).rejects.toThrow('got 1001')
    expect(fake.requests).toEqual([])
  })
})

describe('the Mailchimp client', () => {
  async function start(options = {}) {
    const fake = closing(await new FakeMailchimp('s3cr3t0key-us6').start())
    return {
      fake,
      mailchimp: closing(
        createMailchimpClient({ apiKey: 's3cr3t0key-us6', baseUrl: fake.baseUrl, ...quick, ...options }),
      ),
    }
  }

  it('adds a member and sets tags, and repeats both', async () => {
    const { fake, mailchimp } = await start()
    fake.faults = [{ instead: { status: 503 } }]
    expect(await mailchimp.setMember('l1', 'Ada@Example.com', { vip: true })).toMatchObject({
      vip: true,
      status: 'subscribed',
    })
    fake.faults = [{ afterwards: 'reset' }]
    await mailchimp.setTags('l1', 'ada@example.com', { customer: true, lead: false })
    expect(fake.requests).toHaveLength(4)
    expect(fake.requests.at(-1)?.json).toEqual({
      tags: [
        { name: 'customer', status: 'active' },
        { name: 'lead', status: 'inactive' },
      ],
    })
  })

  it('goes again after a 403 without JSON, even with a campaign, and not after one with JSON', async () => {
    const { fake, mailchimp } = await start()
    fake.faults = [{ instead: fake.deniedAtEdge() }]
    await mailchimp.request('/campaigns/c1/actions/send', { method: 'POST' })
    expect([...fake.created.values()]).toEqual([1])
    fake.faults = [{ instead: fake.error(403, 'Forbidden', 'no rights') }]
    await expect(mailchimp.setMember('l1', 'ada@example.com')).rejects.toMatchObject({
      name: 'IntegrationError',
      statusCode: 403,
      providerCode: 'Forbidden',
      attempts: 1,
    })
  })

  it('takes an account under review for no outage', async () => {
    const store = memoryStore()
    const { fake, mailchimp } = await start({ store, circuitBreaker: { failureThreshold: 1 } })
    fake.faults = [{ instead: fake.error(503, 'ComplianceRelated', 'under review') }]
    await expect(mailchimp.setMember('l1', 'ada@example.com')).rejects.toMatchObject({
      statusCode: 503,
      attempts: 1,
    })
    expect(store.circuits.list()).toMatchObject([{ state: 'closed', failures: 0 }])
    await mailchimp.close()
    expect((await store.deadLetters.list()).items).toEqual([])
  })

  it('never has more than eight requests at once with Mailchimp', async () => {
    const { fake, mailchimp } = await start()
    fake.latencyMs = 20
    await Promise.all(Array.from({ length: 40 }, (_, n) => mailchimp.setMember('l1', `m${n}@example.com`)))
    expect(fake.requests).toHaveLength(40)
    expect(fake.peak).toBeLessThanOrEqual(8)
    expect(fake.peak).toBeGreaterThan(1)
  })

  it('goes to the data centre of its key', async () => {
    const { fake } = await start()
    const dispatcher = closing(new Agent({ connect: { timeout: 50 } }))
    const seen: string[] = []
    const spied = dispatcher.compose(
      (dispatch) =>
        function spy(options, handler) {
          seen.push(String(options.origin))
          return dispatch({ ...options, origin: fake.origin }, handler)
        },
    )
    const mailchimp = closing(createMailchimpClient({ apiKey: 's3cr3t0key-us6', dispatcher: spied }))
    await mailchimp.setMember('l1', 'ada@example.com')
    expect(seen).toEqual(['https://us6.api.mailchimp.com'])
    expect(fake.requests[0]?.path).toMatch(/^\/3\.0\/lists\/l1\/members\/[0-9a-f]{32}$/)
  })
})

describe('the Mailchimp Transactional client', () => {
  const mail = { from_email: 'shop@example.com', to: [{ email: 'ada@example.com' }], subject: 'Your order' }
  async function start(options = {}) {
    const fake = closing(await new FakeMailchimpTransactional('md-s3cr3t').start())
    const made = createMailchimpTransactionalClient({
      apiKey: 'md-s3cr3t',
      baseUrl: fake.baseUrl,
      ...quick,
      ...options,
    })
    return { fake, transactional: closing(made) }
  }

  it('says whom a mail was refused for, in a success', async () => {
    const { transactional } = await start()
    const sent = await transactional.send({ ...mail, to: [...mail.to, { email: 'nobody' }] }, { async: true })
    expect(sent).toMatchObject({
      accepted: [{ email: 'ada@example.com' }],
      rejected: [{ email: 'nobody', status: 'invalid' }],
    })
    expect(await transactional.sendTemplate('welcome', mail)).toMatchObject({ rejected: [] })
  })

  it('repeats what reads after a GeneralError, and keeps a mail instead', async () => {
    const store = memoryStore()
    const { fake, transactional } = await start({ store })
    fake.faults = [{ instead: fake.error('GeneralError', 'try later') }]
    await transactional.ping()
    expect(fake.requests).toHaveLength(2)
    fake.faults = [{ instead: fake.error('GeneralError', 'try later') }]
    await expect(transactional.send(mail)).rejects.toMatchObject({
      providerCode: 'GeneralError',
      statusCode: 500,
      attempts: 1,
    })
    await transactional.close()
    expect((await store.deadLetters.list()).items).toMatchObject([
      { reason: 'not-repeatable', error: { code: 'GeneralError', message: 'try later' }, replayable: true },
    ])
  })

  it('stores the body without the key, and it is whole', async () => {
    const store = memoryStore()
    const { fake, transactional } = await start({ store })
    fake.faults = [{ instead: fake.error('ServiceUnavailable', 'maintenance') }]
    await expect(transactional.send(mail)).rejects.toThrow('maintenance')
    expect(fake.requests[0]?.json).toEqual({ key: 'md-s3cr3t', message: mail })
    await transactional.close()
    const [item] = (await store.deadLetters.list()).items
    const letter = await store.deadLetters.get(item?.id ?? '')
    expect(JSON.parse(Buffer.from(letter?.request.body ?? []).toString())).toEqual({ message: mail })
    expect(letter?.request.bodyRedacted).toBeUndefined()
    expect(JSON.stringify(letter)).not.toContain('md-s3cr3t')
  })

  it('puts the key into an empty object, into no body, and into large ones', async () => {
    const { fake, transactional } = await start()
    await transactional.ping()
    await transactional.request('/users/ping2', { method: 'POST' })
    const note = 'x'.repeat(300_000)
    await transactional.request('/users/ping2', { method: 'POST', body: JSON.stringify({ note }) })
    await transactional.request('/users/ping2', { method: 'POST', body: new Blob([' {\n "note": 1 }']) })
    expect(fake.requests.map(({ json }) => json)).toEqual([
      { key: 'md-s3cr3t' },
      { key: 'md-s3cr3t' },
      { key: 'md-s3cr3t', note },
      { key: 'md-s3cr3t', note: 1 },
    ])
  })

  describe('with bodies that bring their key, as those of an SDK do', () => {
    const body = JSON.stringify({ key: 'md-s3cr3t', message: mail })
    async function captured(seal?: { current: string; keys: Record<string, string> }) {
      const fake = closing(await new FakeMailchimpTransactional('md-s3cr3t').start())
      const store = memoryStore()
      const agent = createMailchimpTransactionalAgent({
        baseUrl: fake.baseUrl,
        store,
        ...(seal === undefined ? {} : { deadLetter: { seal } }),
      })
      fake.faults = [{ instead: { status: 502 } }]
      await fetch(`${fake.baseUrl}/messages/send`, { method: 'POST', body, dispatcher: agent } as never)
      await agent.close()
      const [item] = (await store.deadLetters.list()).items
      const letter = await store.deadLetters.get(item?.id ?? '')
      return { fake, store, letter }
    }

    it('takes the key out of the record, which then cannot be replayed', async () => {
      const { letter } = await captured()
      expect(letter).toMatchObject({ replayable: false, notReplayableReason: 'body-redacted' })
      expect(JSON.parse(Buffer.from(letter?.request.body ?? []).toString())).toEqual({
        key: '[redacted]',
        message: mail,
      })
    })

    it('can replay a sealed record, which holds the key encrypted', async () => {
      const seal = { current: 'k1', keys: { k1: Buffer.alloc(32, 7).toString('base64') } }
      const { fake, store, letter } = await captured(seal)
      expect(letter).toMatchObject({ replayable: true })
      expect(JSON.stringify(letter)).not.toContain('md-s3cr3t')
      const dispatcher = closing(new Agent().compose(resilience(transactionalPreset)))
      const summary = await replayDeadLetters(store.deadLetters, {
        dispatcher,
        allowedOrigins: [fake.origin],
        ids: [letter?.id ?? ''],
        seal,
      })
      expect(summary).toMatchObject({ sent: 1, done: 1 })
      expect([...fake.created.values()]).toEqual([1])
    })
  })
})
