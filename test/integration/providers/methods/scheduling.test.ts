import { describe, expect, it } from 'vitest'
import { type AcuityClient, createAcuityClient } from '../../../../src/providers/acuity.ts'
import { type CalComClient, createCalComClient } from '../../../../src/providers/cal-com.ts'
import { type CalendlyClient, createCalendlyClient } from '../../../../src/providers/calendly.ts'
import { methods } from './scripted.ts'

const resource = { uri: 'https://api.calendly.com/x/1' }
const page = { collection: [resource], pagination: { count: 1, next_page_token: null } }

describe('Calendly', () => {
  methods<CalendlyClient>((options) => createCalendlyClient({ accessToken: 't', ...options }), {
    'lists event types': {
      call: (client) => client.listEventTypes({ user: 'U', active: true }),
      sends: 'GET /event_types?user=U&active=true',
      answer: page,
      gives: page,
      repeatable: true,
    },
    'gives all event types': {
      call: async (client) => {
        const all = []
        for await (const one of client.eventTypes({ organization: 'O' })) all.push(one)
        return all
      },
      sends: 'GET /event_types?organization=O',
      answer: page,
      gives: [resource],
      repeatable: true,
    },
    'gives the free times of an event type': {
      call: (client) => client.availableTimes({ event_type: 'T', start_time: 'a', end_time: 'b' }),
      sends: 'GET /event_type_available_times?event_type=T&start_time=a&end_time=b',
      answer: { collection: [{ status: 'available' }] },
      gives: [{ status: 'available' }],
      repeatable: true,
    },
    'makes a scheduling link, never two': {
      call: (client) => client.createSchedulingLink('https://api.calendly.com/event_types/T'),
      sends: 'POST /scheduling_links',
      body: {
        max_event_count: 1,
        owner: 'https://api.calendly.com/event_types/T',
        owner_type: 'EventType',
      },
      answer: { resource: { booking_url: 'u' } },
      gives: { booking_url: 'u' },
      repeatable: false,
    },
    'gives all invitees of an event': {
      call: async (client) => {
        const all = []
        for await (const one of client.invitees('https://api.calendly.com/scheduled_events/E1')) all.push(one)
        return all
      },
      sends: 'GET /scheduled_events/E1/invitees',
      answer: page,
      gives: [resource],
      repeatable: true,
    },
    'gives one invitee by its url': {
      call: (client) => client.getInvitee('https://api.calendly.com/scheduled_events/E1/invitees/I1'),
      sends: 'GET /scheduled_events/E1/invitees/I1',
      answer: { resource },
      gives: resource,
      repeatable: true,
    },
    'lists webhook subscriptions': {
      call: (client) => client.listSubscriptions({ organization: 'O', scope: 'organization' }),
      sends: 'GET /webhook_subscriptions?organization=O&scope=organization',
      answer: page,
      gives: page,
      repeatable: true,
    },
    'subscribes a webhook, never twice': {
      call: (client) =>
        client.createSubscription({
          url: 'https://example.com/hook',
          events: ['invitee.created'],
          organization: 'O',
          scope: 'organization',
          signing_key: 'k',
        }),
      sends: 'POST /webhook_subscriptions',
      body: {
        url: 'https://example.com/hook',
        events: ['invitee.created'],
        organization: 'O',
        scope: 'organization',
        signing_key: 'k',
      },
      answer: { resource },
      gives: resource,
      repeatable: false,
    },
    'ends a subscription by its url': {
      call: (client) => client.deleteSubscription('https://api.calendly.com/webhook_subscriptions/W1'),
      sends: 'DELETE /webhook_subscriptions/W1',
      answer: 204,
      gives: undefined,
      repeatable: true,
    },
  })

  it('refuses what is no invitee, before any request', async () => {
    const client = createCalendlyClient({ accessToken: 't', baseUrl: 'http://127.0.0.1:9' })
    await expect(client.getInvitee('I1')).rejects.toThrow('`invitee` must be the url of an invitee, got "I1"')
    await client.close()
  })

  it('takes the signing key of a subscription out of its dead letter', async () => {
    const client = createCalendlyClient({
      accessToken: 't',
      baseUrl: 'http://127.0.0.1:9',
      retry: { maxAttempts: 1 },
    })
    const subscription = {
      url: 'https://example.com/hook',
      events: ['invitee.created'],
      organization: 'O',
      scope: 'user' as const,
      signing_key: 'sh-do-not-tell',
    }
    const error = (await client.createSubscription(subscription).catch((thrown: unknown) => thrown)) as {
      deadLetterId: string
    }
    const letter = await client.deadLetters.get(error.deadLetterId)
    expect(Buffer.from(letter?.request.body ?? '').toString()).not.toContain('sh-do-not-tell')
    await client.close()
  })
})

describe('Acuity', () => {
  methods<AcuityClient>((options) => createAcuityClient({ userId: 1, apiKey: 'k', ...options }), {
    'lists appointment types': {
      call: (client) => client.appointmentTypes(),
      sends: 'GET /appointment-types',
      answer: [{ id: 1 }],
      gives: [{ id: 1 }],
      repeatable: true,
    },
    'lists calendars': {
      call: (client) => client.calendars(),
      sends: 'GET /calendars',
      answer: [{ id: 1 }],
      gives: [{ id: 1 }],
      repeatable: true,
    },
    'gives one appointment': {
      call: (client) => client.getAppointment(7),
      sends: 'GET /appointments/7',
      answer: { id: 7 },
      gives: { id: 7 },
      repeatable: true,
    },
    'moves an appointment': {
      call: (client) => client.rescheduleAppointment(7, { datetime: 'd' }, { admin: true }),
      sends: 'PUT /appointments/7/reschedule?admin=true',
      body: { datetime: 'd' },
      answer: { id: 7 },
      gives: { id: 7 },
      repeatable: true,
    },
    'lists blocks': {
      call: (client) => client.listBlocks({ calendarID: 3 }),
      sends: 'GET /blocks?calendarID=3',
      answer: [],
      gives: [],
      repeatable: true,
    },
    'blocks a time, never twice': {
      call: (client) => client.createBlock({ start: 'a', end: 'b', calendarID: 3 }),
      sends: 'POST /blocks',
      body: { start: 'a', end: 'b', calendarID: 3 },
      answer: { id: 9 },
      gives: { id: 9 },
      repeatable: false,
    },
    'frees a blocked time': {
      call: (client) => client.deleteBlock(9),
      sends: 'DELETE /blocks/9',
      answer: 204,
      gives: undefined,
      repeatable: true,
    },
    'lists clients': {
      call: (client) => client.listClients({ search: 'ada' }),
      sends: 'GET /clients?search=ada',
      answer: [],
      gives: [],
      repeatable: true,
    },
    'adds a client, never twice': {
      call: (client) => client.createClient({ firstName: 'Ada', lastName: 'L' }),
      sends: 'POST /clients',
      body: { firstName: 'Ada', lastName: 'L' },
      answer: { firstName: 'Ada', lastName: 'L' },
      gives: { firstName: 'Ada', lastName: 'L' },
      repeatable: false,
    },
  })
})

describe('Cal.com', () => {
  const data = { status: 'success', data: { uid: 'b1' } }
  const bookings = { 'cal-api-version': '2024-08-13' }
  methods<CalComClient>((options) => createCalComClient({ apiKey: 'k', ...options }), {
    'says who the key belongs to': {
      call: (client) => client.me(),
      sends: 'GET /me',
      answer: { status: 'success', data: { id: 1 } },
      gives: { id: 1 },
      repeatable: true,
    },
    'lists event types, in their version': {
      call: (client) => client.listEventTypes({ username: 'ada' }),
      sends: 'GET /event-types?username=ada',
      headers: { 'cal-api-version': '2024-06-14' },
      answer: { status: 'success', data: [] },
      gives: [],
      repeatable: true,
    },
    'keeps a slot, never two': {
      call: (client) => client.reserveSlot(1, '2026-12-24T09:00:00Z', { reservationDuration: 10 }),
      sends: 'POST /slots/reservations',
      headers: { 'cal-api-version': '2024-09-04' },
      body: { eventTypeId: 1, slotStart: '2026-12-24T09:00:00Z', reservationDuration: 10 },
      answer: { status: 'success', data: { reservationUid: 'r1' } },
      gives: { reservationUid: 'r1' },
      repeatable: false,
    },
    'gives a slot back': {
      call: (client) => client.releaseSlot('r1'),
      sends: 'DELETE /slots/reservations/r1',
      headers: { 'cal-api-version': '2024-09-04' },
      answer: { status: 'success' },
      gives: undefined,
      repeatable: true,
    },
    'accepts a booking, once': {
      call: (client) => client.confirmBooking('b1'),
      sends: 'POST /bookings/b1/confirm',
      headers: bookings,
      answer: data,
      gives: { uid: 'b1' },
      repeatable: false,
    },
    'refuses a booking, once': {
      call: (client) => client.declineBooking('b1', 'full'),
      sends: 'POST /bookings/b1/decline',
      headers: bookings,
      body: { reason: 'full' },
      answer: data,
      gives: { uid: 'b1' },
      repeatable: false,
    },
  })
})
