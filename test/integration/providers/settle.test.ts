import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DeadLetterRecord, memoryStore, replayDeadLetters } from '../../../src/index.ts'
import { createAcuityClient } from '../../../src/providers/acuity.ts'
import { createCalComClient } from '../../../src/providers/cal-com.ts'
import { createCalendlyClient } from '../../../src/providers/calendly.ts'
import { createHubSpotClient, type ProviderClient } from '../../../src/providers/hubspot.ts'
import {
  createMailchimpClient,
  createMailchimpTransactionalClient,
} from '../../../src/providers/mailchimp.ts'
import { createSendGridClient } from '../../../src/providers/sendgrid.ts'
import { FakeAcuity } from '../../support/providers/fakes/fake-acuity.ts'
import { FakeCalCom } from '../../support/providers/fakes/fake-cal-com.ts'
import { FakeCalendly } from '../../support/providers/fakes/fake-calendly.ts'
import { FakeHubSpot } from '../../support/providers/fakes/fake-hubspot.ts'
import { FakeMailchimpTransactional } from '../../support/providers/fakes/fake-mailchimp-transactional.ts'
import { FakeMailchimp } from '../../support/providers/fakes/fake-mailchimp.ts'
import type { FakeProvider } from '../../support/providers/fakes/fake-provider.ts'
import { FakeSendGrid } from '../../support/providers/fakes/fake-sendgrid.ts'

let close: (() => Promise<unknown>)[]
beforeEach(() => {
  close = []
})
afterEach(async () => {
  for (const one of close) await one()
})

/** A create whose answer is lost, after it was done or before. */
async function unknownCreate<Client extends ProviderClient>(
  fake: FakeProvider,
  make: (options: { baseUrl: string; store: ReturnType<typeof memoryStore> }) => Client,
  create: (client: Client) => Promise<unknown>,
  fault: FakeProvider['faults'][number],
) {
  await fake.start()
  const store = memoryStore()
  const client = make({ baseUrl: fake.baseUrl, store })
  close.unshift(
    () => client.close(),
    () => fake.close(),
  )
  fake.faults = [fault]
  await expect(create(client)).rejects.toMatchObject({ attempts: 1 })
  const { items } = await client.deadLetters.list()
  expect(items).toMatchObject([{ delivery: 'unknown' }])
  const settleLater = <Letter extends DeadLetterRecord>(letter: Letter): Letter => ({
    ...letter,
    // as if it had failed long ago
    timestamp: letter.timestamp - 3_600_000,
  })
  return { client, store, settleLater }
}

const mail = { from_email: 'shop@example.com', to: [{ email: 'ada@example.com' }], subject: 'Your order' }

const appointment = {
  datetime: '2026-12-24T09:00:00-0500',
  appointmentTypeID: 1,
  firstName: 'Ada',
  lastName: 'L',
  email: 'ada@example.com',
}

const providers = [
  {
    title: 'HubSpot (the contact with this e-mail address)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeHubSpot('s3cr3t')
      const make = (options: object) => createHubSpotClient({ accessToken: 's3cr3t', ...options })
      return {
        fake,
        made: unknownCreate(fake, make, (c) => c.createContact({ email: 'ada@example.com' }), fault),
      }
    },
  },
  {
    title: 'Calendly (the event of the invitee at this time)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeCalendly('s3cr3t')
      const make = (options: object) => createCalendlyClient({ accessToken: 's3cr3t', ...options })
      const booking = {
        event_type: 'https://api.calendly.com/event_types/T1',
        start_time: '2026-12-24T09:00:00Z',
        invitee: { name: 'Ada', email: 'ada@example.com', timezone: 'Europe/London' },
        questions_and_answers: [{ question: 'Your phone?', answer: '+44', position: 0 }],
      }
      return { fake, made: unknownCreate(fake, make, (c) => c.createInvitee(booking), fault) }
    },
  },
  {
    title: 'Cal.com (the booking of the attendee at this time)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeCalCom('s3cr3t')
      const make = (options: object) => createCalComClient({ apiKey: 's3cr3t', ...options })
      const booking = {
        start: '2026-12-24T09:00:00Z',
        eventTypeId: 1,
        attendee: { name: 'Ada', email: 'ada@example.com', timeZone: 'Europe/London' },
        location: { type: 'attendeePhone', phone: '+44' },
        lengthInMinutes: 30,
      }
      return { fake, made: unknownCreate(fake, make, (c) => c.createBooking(booking), fault) }
    },
  },
  {
    title: 'HubSpot (the deal with this unique property)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeHubSpot('s3cr3t')
      const make = (options: object) =>
        createHubSpotClient({ accessToken: 's3cr3t', uniqueProperties: { deals: 'order_id' }, ...options })
      return { fake, made: unknownCreate(fake, make, (c) => c.deals.create({ order_id: '42' }), fault) }
    },
  },
  {
    title: 'Acuity (the appointment of the client at this time)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeAcuity('1', 's3cr3t')
      const make = (options: object) => createAcuityClient({ userId: 1, apiKey: 's3cr3t', ...options })
      return { fake, made: unknownCreate(fake, make, (c) => c.createAppointment(appointment), fault) }
    },
  },
  {
    title: 'Mailchimp (the member with this address)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeMailchimp('s3cr3t-us6')
      const make = (options: object) => createMailchimpClient({ apiKey: 's3cr3t-us6', ...options })
      const body = JSON.stringify({ email_address: 'ada@example.com', status: 'subscribed' })
      const add = (c: ProviderClient) => c.request('/lists/l1/members', { method: 'POST', body })
      return { fake, made: unknownCreate(fake, make, add, fault) }
    },
  },
  {
    title: 'Mailchimp (the event of the member)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeMailchimp('s3cr3t-us6')
      const make = (options: object) => createMailchimpClient({ apiKey: 's3cr3t-us6', ...options })
      const event = { name: 'bought', properties: { order: '42' } }
      return {
        fake,
        made: unknownCreate(fake, make, (c) => c.addEvent('l1', 'ada@example.com', event), fault),
      }
    },
  },
  {
    title: 'Mailchimp (the campaign, by its status)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeMailchimp('s3cr3t-us6')
      const make = (options: object) => createMailchimpClient({ apiKey: 's3cr3t-us6', ...options })
      const send = (c: ProviderClient) => c.request('/campaigns/c1/actions/send', { method: 'POST' })
      return { fake, made: unknownCreate(fake, make, send, fault) }
    },
  },
  {
    title: 'Mailchimp Transactional (the mail with this metadata)',
    play: (fault: FakeProvider['faults'][number]) => {
      const fake = new FakeMailchimpTransactional('s3cr3t')
      const make = (options: object) => createMailchimpTransactionalClient({ apiKey: 's3cr3t', ...options })
      const message = { ...mail, metadata: { order: '42' } }
      return { fake, made: unknownCreate(fake, make, (c) => c.send(message), fault) }
    },
  },
]

describe.each(providers)('an unknown create at $title', ({ play }) => {
  it('is discarded where it has arrived, and nothing is sent', async () => {
    const { fake, made } = play({ afterwards: 'reset' })
    const { client } = await made
    const decide = { unknownDelivery: 'replay', decide: client.settle.bind(client) } as const
    expect(await client.replay(decide)).toMatchObject({ sent: 0, discarded: 1 })
    expect([...fake.created.values()]).toEqual([1])
    expect((await client.deadLetters.list()).items).toEqual([])
  })

  it('waits where it is not there but may still come, and is sent once that time is over', async () => {
    const { fake, made } = play({ instead: { status: 502 } })
    const { client, settleLater } = await made
    const [item] = (await client.deadLetters.list()).items
    const letter = await client.deadLetters.get(item?.id ?? '')
    await expect(client.settle(letter!)).rejects.toThrow(/^not there yet, and it may still come/)
    expect(fake.created.size).toBe(0)
    const summary = await client.replay({
      ids: [letter!.id],
      decide: (record) => client.settle(settleLater(record)),
    })
    expect(summary).toMatchObject({ sent: 1, done: 1 })
    expect([...fake.created.values()]).toEqual([1])
  })
})

describe('what cannot be settled', () => {
  it('is held for a person: a mail of SendGrid, whose activity is an add-on', async () => {
    const fake = new FakeSendGrid('s3cr3t')
    const { client } = await unknownCreate(
      fake,
      (options) => createSendGridClient({ apiKey: 's3cr3t', ...options }),
      (sendgrid) =>
        sendgrid.send({
          personalizations: [{ to: [{ email: 'ada@example.com' }] }],
          from: { email: 'shop@example.com' },
          subject: 'Your order',
        }),
      { afterwards: 'reset' },
    )
    const summary = await replayDeadLetters(client.deadLetters, {
      allowedOrigins: [fake.origin],
      dispatcher: client.agent,
      unknownDelivery: 'replay',
      decide: (record) => client.settle(record),
    })
    expect(summary).toMatchObject({ sent: 0, inDoubt: 1 })
    expect([...fake.created.values()]).toEqual([1])
  })

  it('is held too: a mail of Mailchimp Transactional without metadata', async () => {
    const { client } = await unknownCreate(
      new FakeMailchimpTransactional('s3cr3t'),
      (options) => createMailchimpTransactionalClient({ apiKey: 's3cr3t', ...options }),
      (mailer) => mailer.send(mail),
      { afterwards: 'reset' },
    )
    const [item] = (await client.deadLetters.list()).items
    expect(await client.settle((await client.deadLetters.get(item?.id ?? ''))!)).toBe('hold')
  })

  it('is held as well: a contact of HubSpot that was there before', async () => {
    const fake = new FakeHubSpot('s3cr3t')
    const { client } = await unknownCreate(
      fake,
      (options) => createHubSpotClient({ accessToken: 's3cr3t', ...options }),
      (hubspot) => hubspot.createContact({ email: 'ada@example.com' }),
      { afterwards: 'reset' },
    )
    const [item] = (await client.deadLetters.list()).items
    const letter = await client.deadLetters.get(item?.id ?? '')
    const afterwards = { ...letter!, firstAttemptAt: letter!.timestamp + 3_600_000 }
    expect(await client.settle(afterwards)).toBe('hold')
  })
})

describe('what needs no look', () => {
  it('is sent: what surely was not sent, and what may be sent twice', async () => {
    const hubspot = createHubSpotClient({ accessToken: 's3cr3t', baseUrl: 'http://127.0.0.1:9' })
    close.push(() => hubspot.close())
    const record = { delivery: 'not-sent', request: { method: 'POST' } } as never
    expect(await hubspot.settle(record)).toBe('send')
    const put = { delivery: 'unknown', request: { method: 'PUT' } } as never
    expect(await hubspot.settle(put)).toBe('send')
  })
})
