import { createAcuityClient } from '../../../../src/providers/acuity.ts'
import { createCalComClient } from '../../../../src/providers/cal-com.ts'
import { createCalendlyClient } from '../../../../src/providers/calendly.ts'
import {
  createHubSpotClient,
  type ProviderClient,
  type ProviderOptions,
} from '../../../../src/providers/hubspot.ts'
import {
  createMailchimpClient,
  createMailchimpTransactionalClient,
} from '../../../../src/providers/mailchimp.ts'
import { createSendGridClient } from '../../../../src/providers/sendgrid.ts'
import { FakeAcuity } from '../fakes/fake-acuity.ts'
import { FakeCalCom } from '../fakes/fake-cal-com.ts'
import { FakeCalendly } from '../fakes/fake-calendly.ts'
import { FakeHubSpot } from '../fakes/fake-hubspot.ts'
import { FakeMailchimpTransactional } from '../fakes/fake-mailchimp-transactional.ts'
import { FakeMailchimp } from '../fakes/fake-mailchimp.ts'
import type { FakeProvider } from '../fakes/fake-provider.ts'
import { FakeSendGrid } from '../fakes/fake-sendgrid.ts'
import type { Limits } from './documented-limits.ts'

/** What is pushed at one provider. */
export interface Push {
  title: string
  jobs: number
  fake(): FakeProvider
  /** What the fake enforces: what is documented, or is said to lock accounts. */
  limits: Limits
  /** Whether the client keeps to the limits beforehand, so that no answer of 429 may come. */
  isKept: boolean
  /** How much longer than a window the client counts a request: by so much it may be on its way. */
  marginMs: number
  /** The least time that the limits allow, in milliseconds. */
  leastMs: number
  /** Requests at once of each of two processes: the Agent's own unless the provider counts them. */
  connections: number
  /** A client of one of two processes. */
  client(options: ProviderOptions): PushClient
}

export interface PushClient {
  readonly client: ProviderClient
  /** Does a job: a contact, a booking, a mail of its own. */
  push(job: number): Promise<unknown>
  /** Whether a job that was begun has arrived; `undefined` where the provider cannot say. */
  hasArrived(job: number): Promise<boolean | undefined>
}

const email = (job: number): string => `person-${job}@example.com`
/** A time of its own for each booking. */
const start = (job: number): string => new Date(Date.UTC(2027, 0, 1) + job * 1_800_000).toISOString()
const calendlyType = 'https://api.calendly.com/event_types/T1'

/** Times of Calendly are divided by it: a hundred bookings would take more than an hour. */
const CALENDLY_BY = 200

const sendgrid = {
  jobs: 1_000,
  fake: () => new FakeSendGrid('k'),
  limits: { windows: [{ max: 600, windowMs: 10_000 }] },
  connections: 16,
  marginMs: 200,
  leastMs: 10_000,
}

function sendgridClient(options: ProviderOptions): PushClient {
  const client = createSendGridClient({
    apiKey: 'k',
    ...options,
    // what pushes a thousand mails at once can wait for them
    attemptTimeoutMs: 60_000,
    totalTimeoutMs: 240_000,
    rateLimit: { maxWaitMs: 120_000, ...options.rateLimit },
  })
  return {
    client,
    push: (job) =>
      client.send({
        personalizations: [{ to: [{ email: email(job) }] }],
        from: { email: 'shop@example.com' },
        subject: 'Your order',
      }),
    hasArrived: () => Promise.resolve(undefined),
  }
}

export const pushes = {
  hubspot: {
    title: 'HubSpot: 300 contacts',
    jobs: 300,
    fake: () => new FakeHubSpot('t'),
    limits: { windows: [{ max: 100, windowMs: 10_000 }] },
    connections: 16,
    isKept: true,
    marginMs: 200,
    leastMs: 20_000,
    client: (options) => {
      const client = createHubSpotClient({ accessToken: 't', ...options })
      return {
        client,
        push: (job) => client.createContact({ email: email(job) }),
        hasArrived: async (job) => (await client.findContact(email(job))) !== undefined,
      }
    },
  },
  calendly: {
    title: `Calendly: 100 bookings (minutes, hours, days divided by ${CALENDLY_BY})`,
    jobs: 100,
    fake: () => new FakeCalendly('t'),
    limits: {
      windows: [
        { max: 10, windowMs: 60_000 / CALENDLY_BY },
        { max: 50, windowMs: 3_600_000 / CALENDLY_BY },
        { max: 100, windowMs: 86_400_000 / CALENDLY_BY },
      ],
    },
    connections: 8,
    isKept: true,
    marginMs: 200,
    leastMs: 3_600_000 / CALENDLY_BY + (4 * 60_000) / CALENDLY_BY,
    client: (options) => {
      const client = createCalendlyClient({
        accessToken: 't',
        ...options,
        rateLimit: {
          limits: [
            { limit: 10, intervalMs: 60_000 / CALENDLY_BY },
            { limit: 50, intervalMs: 3_600_000 / CALENDLY_BY },
            { limit: 100, intervalMs: 86_400_000 / CALENDLY_BY },
          ],
          // as of the minute that was divided: requests are not on their way for less time here
          marginMs: 200,
        },
      })
      return {
        client,
        push: (job) =>
          client.createInvitee({
            event_type: calendlyType,
            start_time: start(job),
            invitee: { name: 'Ada', email: email(job), timezone: 'Europe/London' },
          }),
        hasArrived: async (job) => {
          const { collection } = await client.listEvents({ organization: 'O1', invitee_email: email(job) })
          return collection.length > 0
        },
      }
    },
  },
  'cal-com': {
    title: 'Cal.com: 100 bookings',
    jobs: 100,
    fake: () => new FakeCalCom('k'),
    limits: { windows: [{ max: 120, windowMs: 60_000 }], lock: { max: 10, windowMs: 1_000 } },
    connections: 3,
    isKept: true,
    marginMs: 200,
    leastMs: 0,
    client: (options) => {
      const client = createCalComClient({ apiKey: 'k', ...options })
      return {
        client,
        push: (job) =>
          client.createBooking({
            start: start(job),
            eventTypeId: 1,
            attendee: { name: 'Ada', email: email(job), timeZone: 'Europe/London' },
          }),
        hasArrived: async (job) => (await client.listBookings({ attendeeEmail: email(job) })).data.length > 0,
      }
    },
  },
  acuity: {
    title: 'Acuity: 100 bookings (10 a second and 20 at once, not proven)',
    jobs: 100,
    fake: () => new FakeAcuity('1', 'k'),
    limits: { windows: [{ max: 10, windowMs: 1_000 }], atOnce: 20 },
    connections: 8,
    isKept: true,
    marginMs: 50,
    leastMs: 9_000,
    client: (options) => {
      const client = createAcuityClient({
        userId: 1,
        apiKey: 'k',
        ...options,
        // what whoever believes the numbers says
        rateLimit: { limits: [{ limit: 10, intervalMs: 1_000 }] },
      })
      return {
        client,
        push: (job) =>
          client.createAppointment({
            datetime: start(job),
            appointmentTypeID: 1,
            firstName: 'Ada',
            lastName: 'L',
            email: email(job),
          }),
        hasArrived: async (job) => (await client.listAppointments({ email: email(job) })).length > 0,
      }
    },
  },
  sendgrid: {
    title: 'SendGrid: 1,000 mails (600 in 10 s, made up, and learnt by its 429)',
    ...sendgrid,
    isKept: false,
    client: (options) => sendgridClient(options),
  },
  'sendgrid-told': {
    title: 'SendGrid: 1,000 mails (600 in 10 s, made up, and told to the client)',
    ...sendgrid,
    isKept: true,
    client: (options) =>
      sendgridClient({ ...options, rateLimit: { limits: [{ limit: 600, intervalMs: 10_000 }] } }),
  },
  mailchimp: {
    title: 'Mailchimp: 300 events of members (10 at once)',
    jobs: 300,
    fake: () => new FakeMailchimp('k-us6'),
    limits: { atOnce: 10 },
    // two processes with one account, as the page says
    connections: 4,
    isKept: true,
    marginMs: 0,
    leastMs: 0,
    client: (options) => {
      const client = createMailchimpClient({ apiKey: 'k-us6', ...options })
      return {
        client,
        push: (job) => client.addEvent('l1', email(job), { name: `bought-${job}` }),
        hasArrived: () => Promise.resolve(undefined),
      }
    },
  },
  'mailchimp-transactional': {
    title: 'Mailchimp Transactional: 1,000 mails',
    jobs: 1_000,
    fake: () => new FakeMailchimpTransactional('k'),
    limits: {},
    connections: 10,
    isKept: false,
    marginMs: 0,
    leastMs: 0,
    client: (options) => {
      const client = createMailchimpTransactionalClient({ apiKey: 'k', ...options })
      return {
        client,
        push: (job) =>
          client.send({
            from_email: 'shop@example.com',
            to: [{ email: email(job) }],
            subject: 'Your order',
            metadata: { job: String(job) },
          }),
        hasArrived: async (job) => (await client.search(`u_job:${job}`)).length > 0,
      }
    },
  },
} satisfies Record<string, Push>

export type Pushed = keyof typeof pushes
