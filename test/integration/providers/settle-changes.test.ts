import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeadLetter } from '../../../src/dead-letter/record/record.ts'
import { type AcuityClient, createAcuityClient } from '../../../src/providers/acuity.ts'
import { type CalComClient, createCalComClient } from '../../../src/providers/cal-com.ts'
import { createCalendlyClient } from '../../../src/providers/calendly.ts'
import { createMailchimpClient } from '../../../src/providers/mailchimp.ts'
import { FakeAcuity } from '../../support/providers/fakes/fake-acuity.ts'
import { FakeCalCom } from '../../support/providers/fakes/fake-cal-com.ts'
import { FakeCalendly } from '../../support/providers/fakes/fake-calendly.ts'
import { FakeMailchimp } from '../../support/providers/fakes/fake-mailchimp.ts'

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

/** An unknown POST of long ago, as a store has it. */
function unknown(url: string, body?: object, ageMs = 3_600_000): DeadLetter {
  const at = Date.now() - ageMs
  return {
    delivery: 'unknown',
    replayable: true,
    timestamp: at,
    firstAttemptAt: at,
    request: {
      method: 'POST',
      url,
      headers: {},
      ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    },
  } as unknown as DeadLetter
}

describe('a change of a booking at Cal.com', () => {
  let fake: FakeCalCom
  let cal: CalComClient
  const attendee = { name: 'Ada', email: 'ada@example.com', timeZone: 'Europe/London' }
  const start = '2026-12-24T09:00:00Z'
  beforeEach(async () => {
    fake = closing(await new FakeCalCom('s3cr3t').start())
    cal = closing(createCalComClient({ apiKey: 's3cr3t', baseUrl: fake.baseUrl, rateLimit: false }))
    await cal.createBooking({ start, eventTypeId: 1, attendee, pending: true })
  })
  const change = (what: string) => cal.settle(unknown(`${fake.baseUrl}/bookings/b1/${what}`, {}))

  it('is sent while the booking stands as it was', async () => {
    expect(await change('cancel')).toBe('send')
    expect(await change('confirm')).toBe('send')
    expect(await change('decline')).toBe('send')
    expect(await change('reschedule')).toBe('send')
  })

  it('is discarded once the booking says so, and held where it says something else', async () => {
    await cal.confirmBooking('b1')
    expect(await change('confirm')).toBe('discard')
    expect(await change('decline')).toBe('hold')
    await cal.cancelBooking('b1')
    expect(await change('cancel')).toBe('discard')
    expect(await change('reschedule')).toBe('hold')
  })

  it('is no reason to book again: what arrived and was cancelled since has arrived', async () => {
    await cal.cancelBooking('b1')
    const booking = { start, eventTypeId: 1, attendee }
    const url = `${fake.baseUrl}/bookings`
    expect(await cal.settle(unknown(url, booking))).toBe('discard')
    // cancelled before the first attempt: of another booking
    expect(await cal.settle(unknown(url, booking, -3_600_000)).catch(String)).toMatch(/not there yet/)
  })
})

describe('a cancellation at Calendly', () => {
  it('is settled by what its event says', async () => {
    const fake = closing(await new FakeCalendly('s3cr3t').start())
    const calendly = closing(createCalendlyClient({ accessToken: 's3cr3t', baseUrl: fake.baseUrl }))
    const record = unknown(`${fake.baseUrl}/scheduled_events/E1/cancellation`, { reason: '' })
    expect(await calendly.settle(record)).toBe('send')
    await calendly.cancelEvent('E1')
    expect(await calendly.settle(record)).toBe('discard')
  })
})

describe('a booking at Acuity', () => {
  let fake: FakeAcuity
  let acuity: AcuityClient
  const appointment = {
    datetime: '2026-12-24T09:00:00-0500',
    appointmentTypeID: 1,
    firstName: 'Ada',
    lastName: 'L',
    email: 'ada@example.com',
  }
  beforeEach(async () => {
    fake = closing(await new FakeAcuity('1', 's3cr3t').start())
    acuity = closing(createAcuityClient({ userId: 1, apiKey: 's3cr3t', baseUrl: fake.baseUrl }))
  })
  const settle = (body: object, ageMs?: number) =>
    acuity.settle(unknown(`${fake.baseUrl}/appointments`, body, ageMs))

  it('is held where its time does not say how far it is from UTC', async () => {
    expect(await settle({ ...appointment, datetime: '2026-12-24T09:00' })).toBe('hold')
    expect(fake.requests).toEqual([])
  })

  it('is found by the moment, however it is written', async () => {
    await acuity.createAppointment(appointment)
    expect(await settle({ ...appointment, datetime: '2026-12-24T14:00:00Z' })).toBe('discard')
    expect(await settle({ ...appointment, datetime: '2026-12-24T15:00:00Z' })).toBe('send')
  })

  it('is not made again when it was cancelled since', async () => {
    const { id } = await acuity.createAppointment(appointment)
    await acuity.cancelAppointment(id)
    expect(await settle(appointment)).toBe('discard')
  })

  it('is held when it cannot be told when a cancelled one was made', async () => {
    fake.faults = [{ instead: { status: 200, body: [{ ...appointment, canceled: true }] } }]
    expect(await settle(appointment)).toBe('hold')
  })
})

describe('an event of Mailchimp', () => {
  it('is another one where its properties are others', async () => {
    const fake = closing(await new FakeMailchimp('s3cr3t-us6').start())
    const mailchimp = closing(createMailchimpClient({ apiKey: 's3cr3t-us6', baseUrl: fake.baseUrl }))
    await mailchimp.addEvent('l1', 'ada@example.com', { name: 'bought', properties: { order: '41' } })
    const url = `${fake.baseUrl}/lists/l1/members/h/events`
    const event = (order: string) => unknown(url, { name: 'bought', properties: { order } })
    expect(await mailchimp.settle(event('41'))).toBe('discard')
    expect(await mailchimp.settle(event('42'))).toBe('send')
  })
})

describe('what Mailchimp cannot settle', () => {
  it('is held: a member that was there before, a batch, a campaign in another state', async () => {
    const fake = closing(await new FakeMailchimp('s3cr3t-us6').start())
    const mailchimp = closing(createMailchimpClient({ apiKey: 's3cr3t-us6', baseUrl: fake.baseUrl }))
    const body = { email_address: 'ada@example.com', timestamp_opt: '2020-01-01T00:00:00Z' }
    await mailchimp.request('/lists/l1/members', { method: 'POST', body: JSON.stringify(body) })
    expect(await mailchimp.settle(unknown(`${fake.baseUrl}/lists/l1/members`, body))).toBe('hold')
    expect(await mailchimp.settle(unknown(`${fake.baseUrl}/batches`, { operations: [] }))).toBe('hold')
    fake.faults = [{ instead: { status: 200, body: { status: 'schedule' } } }]
    expect(await mailchimp.settle(unknown(`${fake.baseUrl}/campaigns/c1/actions/send`))).toBe('hold')
  })

  it('is held too where the body was not kept', async () => {
    const mailchimp = closing(createMailchimpClient({ apiKey: 's3cr3t-us6', baseUrl: 'http://127.0.0.1:9' }))
    const record = { ...unknown('http://127.0.0.1:9/lists/l1/members'), replayable: false }
    expect(await mailchimp.settle(record)).toBe('hold')
  })
})
