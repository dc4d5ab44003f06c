import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryStore } from '../../../src/index.ts'
import { createAcuityClient } from '../../../src/providers/acuity.ts'
import { createCalComClient } from '../../../src/providers/cal-com.ts'
import { createCalendlyClient } from '../../../src/providers/calendly.ts'
import { FakeAcuity } from '../../support/providers/fakes/fake-acuity.ts'
import { FakeCalCom } from '../../support/providers/fakes/fake-cal-com.ts'
import { FakeCalendly } from '../../support/providers/fakes/fake-calendly.ts'
import { guardSecrets } from '../../support/providers/guard-secrets.ts'

const keepRecords = guardSecrets(['s3cr3t-key', 's3cr3t-token', 's3cr3t-oauth', '1:s3cr3t-key'])
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

describe('the Calendly client', () => {
  async function start() {
    const fake = closing(await new FakeCalendly('s3cr3t-token').start())
    return {
      fake,
      calendly: closing(
        createCalendlyClient({ accessToken: 's3cr3t-token', baseUrl: fake.baseUrl, ...quick }),
      ),
    }
  }

  it('reads the user, events and invitees', async () => {
    const { fake, calendly } = await start()
    expect(await calendly.currentUser()).toMatchObject({ uri: 'https://api.calendly.com/users/U1' })
    const { collection } = await calendly.listEvents({ user: 'https://api.calendly.com/users/U1', count: 10 })
    expect(fake.requests.at(-1)?.query.get('user')).toBe('https://api.calendly.com/users/U1')
    expect(await calendly.getEvent(collection[0]?.uri ?? '')).toMatchObject({ name: 'Call' })
    expect(fake.requests.at(-1)?.path).toBe('/scheduled_events/E1')
    expect(await calendly.listInvitees('E1')).toMatchObject({ collection: [] })
  })

  it('does not cancel twice when the answer is lost', async () => {
    const { fake, calendly } = await start()
    fake.faults = [{ afterwards: 'reset' }]
    await expect(calendly.cancelEvent('E1', 'ill')).rejects.toMatchObject({
      code: 'ERR_NETWORK',
      attempts: 1,
    })
    expect(fake.requests).toHaveLength(1)
    await expect(calendly.cancelEvent('E1')).rejects.toMatchObject({
      statusCode: 403,
      providerCode: 'Permission Denied',
    })
    await calendly.cancelEvent('E2')
  })

  it('waits as many seconds as the limit of a window says', async () => {
    const { fake, calendly } = await start()
    fake.faults = [{ instead: fake.limited(900) }]
    const before = performance.now()
    await calendly.currentUser()
    expect(performance.now() - before).toBeGreaterThanOrEqual(999)
  })
})

describe('the Acuity client', () => {
  async function start() {
    const fake = closing(await new FakeAcuity('1', 's3cr3t-key').start())
    const options = { userId: 1, apiKey: 's3cr3t-key', baseUrl: fake.baseUrl, ...quick }
    return { fake, acuity: closing(createAcuityClient(options)) }
  }

  it('reads availability, books, lists and cancels', async () => {
    const { acuity } = await start()
    expect(await acuity.availableDates({ month: '2026-12', appointmentTypeID: 1 })).toEqual([
      { date: '2026-12-24' },
    ])
    const booked = await acuity.createAppointment({
      datetime: '2026-12-24T09:00:00-0500',
      appointmentTypeID: 1,
      firstName: 'Ada',
      lastName: 'Lovelace',
      email: 'ada@example.com',
    })
    expect(await acuity.listAppointments({ max: 5 })).toEqual([booked])
    expect(await acuity.cancelAppointment(booked.id, 'ill')).toMatchObject({ id: booked.id, canceled: true })
  })

  it('repeats the check of a time, a POST that only reads, and a cancellation, a PUT', async () => {
    const { fake, acuity } = await start()
    fake.faults = [{ instead: { status: 500 } }, { afterwards: 'reset' }]
    expect(await acuity.checkTime({ datetime: 'x', appointmentTypeID: 1 })).toMatchObject({ valid: true })
    expect(fake.requests).toHaveLength(3)
    fake.faults = [{ instead: { status: 503 } }]
    await expect(acuity.cancelAppointment(99)).rejects.toMatchObject({ statusCode: 404, attempts: 2 })
  })

  it('takes an OAuth token in place of user and key', async () => {
    const { fake } = await start()
    const acuity = closing(createAcuityClient({ accessToken: 's3cr3t-oauth', baseUrl: fake.baseUrl }))
    await expect(acuity.listAppointments()).rejects.toMatchObject({ statusCode: 401 })
    expect(fake.requests[0]?.headers.authorization).toBe('Bearer s3cr3t-oauth')
  })
})

describe('the Cal.com client', () => {
  async function start(options = {}) {
    const fake = closing(await new FakeCalCom('s3cr3t-key').start())
    return {
      fake,
      cal: closing(createCalComClient({ apiKey: 's3cr3t-key', baseUrl: fake.baseUrl, ...quick, ...options })),
    }
  }
  const booking = {
    start: '2026-12-24T09:00:00Z',
    eventTypeId: 1,
    attendee: { name: 'Ada', email: 'ada@example.com', timeZone: 'Europe/London' },
  }

  it('sends the version that each endpoint was written for', async () => {
    const { fake, cal } = await start()
    expect(await cal.slots({ eventTypeId: 1, start: '2026-12-24', end: '2026-12-25' })).toHaveProperty(
      '2026-12-24',
    )
    const made = await cal.createBooking(booking)
    expect(await cal.listBookings({ take: 1 })).toMatchObject({
      data: [{ uid: made.uid }],
      pagination: { totalItems: 1, hasNextPage: false },
    })
    const moved = await cal.rescheduleBooking(made.uid, { start: '2026-12-25T09:00:00Z' })
    expect(await cal.cancelBooking(moved.uid, 'ill')).toMatchObject({ status: 'cancelled' })
    expect(fake.requests.map(({ headers }) => headers['cal-api-version'])).toEqual([
      '2024-09-04',
      '2024-08-13',
      '2024-08-13',
      '2024-08-13',
      '2024-08-13',
    ])
  })

  it('sends the version of its option instead', async () => {
    const { cal } = await start({ apiVersion: '2020-01-01' })
    await expect(cal.listBookings()).rejects.toMatchObject({
      statusCode: 404,
      message: expect.stringContaining('Cannot GET') as string,
    })
  })

  it('does not move a booking twice when the answer is lost', async () => {
    const { fake, cal } = await start()
    const made = await cal.createBooking(booking)
    fake.faults = [{ afterwards: { status: 502 } }]
    await expect(cal.rescheduleBooking(made.uid, { start: 'x' })).rejects.toMatchObject({
      statusCode: 502,
      attempts: 1,
    })
    expect(fake.requests).toHaveLength(2)
  })

  it('waits for the first of several limits to reset, not for the last', async () => {
    const { fake, cal } = await start()
    fake.faults = [{ instead: fake.limited(500) }]
    const before = performance.now()
    await cal.listBookings()
    expect(performance.now() - before).toBeGreaterThanOrEqual(999)
    expect(performance.now() - before).toBeLessThan(10_000)
    expect(fake.early).toBe(0)
  })

  it('keeps no secret of a platform client, and its own circuit for each', async () => {
    const store = memoryStore()
    const fake = closing(await new FakeCalCom('s3cr3t-key').start())
    const cal = closing(
      createCalComClient({
        clientId: 'cid-7e1',
        secretKey: 'sk-99c',
        baseUrl: fake.baseUrl,
        store,
        retry: false,
      }),
    )
    await expect(cal.createBooking(booking)).rejects.toMatchObject({ statusCode: 401 })
    expect(fake.requests[0]?.headers).toMatchObject({
      'x-cal-client-id': 'cid-7e1',
      'x-cal-secret-key': 'sk-99c',
    })
    const gone = await new FakeCalCom('s3cr3t-key').start()
    await gone.close()
    const dead = closing(
      createCalComClient({
        clientId: 'cid-7e1',
        secretKey: 'sk-99c',
        baseUrl: gone.baseUrl,
        store,
        retry: false,
      }),
    )
    await expect(dead.createBooking(booking)).rejects.toMatchObject({ code: 'ERR_NETWORK' })
    await dead.close()
    const [letter] = (await store.deadLetters.list()).items
    expect(letter?.request).toMatchObject({
      headers: { 'cal-api-version': '2024-08-13' },
      omittedHeaders: expect.arrayContaining(['x-cal-client-id', 'x-cal-secret-key']) as string[],
    })
    expect(JSON.stringify(letter)).not.toMatch(/cid-7e1|sk-99c/)
    expect(store.circuits.list().every(({ key }) => /#[0-9a-f]{12}$/.test(key))).toBe(true)
  })
})
