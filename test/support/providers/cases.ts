import { createAcuityAgent, createAcuityClient, preset as acuity } from '../../../src/providers/acuity.ts'
import { createCalComAgent, createCalComClient, preset as calCom } from '../../../src/providers/cal-com.ts'
import {
  createCalendlyAgent,
  createCalendlyClient,
  preset as calendly,
} from '../../../src/providers/calendly.ts'
import { createHubSpotAgent, createHubSpotClient, preset as hubspot } from '../../../src/providers/hubspot.ts'
import {
  createMailchimpAgent,
  createMailchimpClient,
  createMailchimpTransactionalAgent,
  createMailchimpTransactionalClient,
  preset as mailchimp,
  transactionalPreset as transactional,
} from '../../../src/providers/mailchimp.ts'
import {
  createSendGridAgent,
  createSendGridClient,
  preset as sendgrid,
} from '../../../src/providers/sendgrid.ts'
import { FakeAcuity } from './fakes/fake-acuity.ts'
import { FakeCalCom } from './fakes/fake-cal-com.ts'
import { FakeCalendly } from './fakes/fake-calendly.ts'
import { FakeHubSpot } from './fakes/fake-hubspot.ts'
import { FakeMailchimpTransactional } from './fakes/fake-mailchimp-transactional.ts'
import { FakeMailchimp } from './fakes/fake-mailchimp.ts'
import { FakeSendGrid } from './fakes/fake-sendgrid.ts'
import { providerCase, type ProviderCase } from './provider-case.ts'

const outage = { status: 503, headers: { 'content-type': 'text/html' }, body: '<h1>Service Unavailable</h1>' }
const basic = (user: string, password: string) => Buffer.from(`${user}:${password}`).toString('base64')

const hubspotToken = 'pat-na1-hubspotsecret-5d1c'
const calendlyToken = 'eyJcalendlysecret.9a31'
const acuityKey = 'acuitysecret2b7f9c'
const calComKey = 'cal_live_calcomsecret_77e0'
const sendgridKey = 'SG.sendgridsecret.c0de41'
const mailchimpKey = 'mailchimpsecret0f4a-us6'
const transactionalKey = 'md-transactionalsecret-e88b'

/** Every provider of the package; a new one is added here, and has to pass test/support/providers/contract.ts. */
export const cases: ProviderCase[] = [
  providerCase({
    integration: 'hubspot',
    title: 'HubSpot',
    preset: hubspot,
    secrets: [hubspotToken],
    fake: () => new FakeHubSpot(hubspotToken),
    client: (options) => createHubSpotClient({ accessToken: hubspotToken, ...options }),
    stranger: (options) => createHubSpotClient({ accessToken: 'pat-na1-wrong', ...options }),
    agent: createHubSpotAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => client.searchContacts({ query: tag }),
    create: (client, tag) => client.createContact({ email: `${tag}@example.com` }),
    outage,
    refused: (client) => client.createContact({ email: 'nobody' }),
    refusal: {
      statusCode: 400,
      providerCode: 'VALIDATION_ERROR',
      message: /Property values were not valid/,
      requestId: /^hs-/,
    },
    quota: (fake) => fake.daily(),
  }),
  providerCase({
    integration: 'calendly',
    title: 'Calendly',
    preset: calendly,
    secrets: [calendlyToken],
    fake: () => new FakeCalendly(calendlyToken),
    client: (options) => createCalendlyClient({ accessToken: calendlyToken, ...options }),
    stranger: (options) => createCalendlyClient({ accessToken: 'eyJwrong', ...options }),
    agent: createCalendlyAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => client.listEvents({ user: tag }),
    create: (client, tag) =>
      client.createInvitee({
        event_type: 'https://api.calendly.com/event_types/T1',
        start_time: '2026-12-24T09:00:00Z',
        invitee: { name: 'Ada', email: `${tag}@example.com`, timezone: 'Europe/London' },
      }),
    outage,
    refused: (client) => client.getEvent('unknown'),
    refusal: {
      statusCode: 404,
      providerCode: 'Resource Not Found',
      message: /could not find the requested resource/,
      requestId: /^cal-/,
    },
  }),
  providerCase({
    integration: 'acuity',
    title: 'Acuity Scheduling',
    preset: acuity,
    secrets: [acuityKey, basic('4711', acuityKey)],
    fake: () => new FakeAcuity('4711', acuityKey),
    client: (options) => createAcuityClient({ userId: 4711, apiKey: acuityKey, ...options }),
    stranger: (options) => createAcuityClient({ userId: 4711, apiKey: 'wrong', ...options }),
    agent: createAcuityAgent,
    limit: { max: 2, windowMs: 100 },
    read: (client, tag) => client.availableTimes({ date: tag, appointmentTypeID: 1 }),
    create: (client, tag) =>
      client.createAppointment({
        datetime: '2026-12-24T09:00:00-0500',
        appointmentTypeID: 1,
        firstName: 'Ada',
        lastName: 'Lovelace',
        email: `${tag}@example.com`,
      }),
    outage,
    refused: (client) => client.createAppointment({ datetime: 'now' } as never),
    refusal: { statusCode: 400, providerCode: 'required_email', message: /"email" is required/ },
  }),
  providerCase({
    integration: 'cal-com',
    title: 'Cal.com',
    preset: calCom,
    secrets: [calComKey],
    fake: () => new FakeCalCom(calComKey),
    client: (options) => createCalComClient({ apiKey: calComKey, ...options }),
    stranger: (options) => createCalComClient({ apiKey: 'cal_live_wrong', ...options }),
    agent: createCalComAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => client.slots({ eventTypeSlug: tag, start: '2026-12-24', end: '2026-12-25' }),
    create: (client, tag) =>
      client.createBooking({
        start: '2026-12-24T09:00:00Z',
        eventTypeId: 1,
        attendee: { name: 'Ada', email: `${tag}@example.com`, timeZone: 'Europe/London' },
      }),
    outage,
    refused: (client) => client.cancelBooking('unknown'),
    refusal: {
      statusCode: 404,
      providerCode: 'NotFoundException',
      message: /uid=unknown was not found/,
      requestId: /^cc-/,
    },
  }),
  providerCase({
    integration: 'sendgrid',
    title: 'SendGrid',
    preset: sendgrid,
    secrets: [sendgridKey],
    fake: () => new FakeSendGrid(sendgridKey),
    client: (options) => createSendGridClient({ apiKey: sendgridKey, ...options }),
    stranger: (options) => createSendGridClient({ apiKey: 'SG.wrong', ...options }),
    agent: createSendGridAgent,
    limit: { max: 2, windowMs: 200 },
    read: (client, tag) => client.request(`/v3/scopes?tag=${tag}`),
    create: (client, tag) =>
      client.send({
        personalizations: [{ to: [{ email: `${tag}@example.com` }] }],
        from: { email: 'shop@example.com' },
        subject: 'Your order',
        content: [{ type: 'text/plain', value: 'Thank you' }],
      }),
    outage,
    refused: (client) => client.send({ personalizations: [{ to: [{ email: 'a@b.c' }] }] } as never),
    refusal: {
      statusCode: 400,
      providerCode: 'from.email',
      message: /from object must be provided/,
      requestId: /^sg-/,
    },
    quota: (fake) => fake.credits(),
  }),
  providerCase({
    integration: 'mailchimp',
    title: 'Mailchimp Marketing',
    preset: mailchimp,
    secrets: [mailchimpKey, basic('anystring', mailchimpKey)],
    fake: () => new FakeMailchimp(mailchimpKey),
    client: (options) => createMailchimpClient({ apiKey: mailchimpKey, ...options }),
    stranger: (options) => createMailchimpClient({ apiKey: 'wrong-us6', ...options }),
    agent: createMailchimpAgent,
    limit: { max: 2, windowMs: 100 },
    read: (client, tag) => client.setMember('list1', `${tag}@example.com`),
    create: (client, tag) => client.request(`/campaigns/${tag}/actions/send`, { method: 'POST' }),
    outage,
    refused: (client) => client.setMember('list1', 'compliance@example.com'),
    refusal: {
      statusCode: 400,
      providerCode: 'Member In Compliance State',
      message: /compliance state/,
      requestId: /^mc-/,
    },
  }),
  providerCase({
    integration: 'mailchimp-transactional',
    title: 'Mailchimp Transactional',
    preset: transactional,
    secrets: [transactionalKey],
    fake: () => new FakeMailchimpTransactional(transactionalKey),
    client: (options) => createMailchimpTransactionalClient({ apiKey: transactionalKey, ...options }),
    stranger: (options) => createMailchimpTransactionalClient({ apiKey: 'md-wrong', ...options }),
    agent: createMailchimpTransactionalAgent,
    limit: { max: 2, windowMs: 100 },
    read: (client, tag) => client.request('/users/ping2', { method: 'POST', body: JSON.stringify({ tag }) }),
    create: (client, tag) =>
      client.send({
        from_email: 'shop@example.com',
        to: [{ email: `${tag}@example.com` }],
        subject: 'Your order',
      }),
    outage,
    refused: (client) => client.send({ from_email: 'shop@example.com' } as never),
    refusal: {
      statusCode: 500,
      providerCode: 'ValidationError',
      message: /must specify a message.to value/,
      requestId: /^md-/,
    },
  }),
]
