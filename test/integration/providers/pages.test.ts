import { afterEach, beforeEach, expect, it } from 'vitest'
import { createCalComClient } from '../../../src/providers/cal-com.ts'
import { createCalendlyClient } from '../../../src/providers/calendly.ts'
import { createHubSpotClient } from '../../../src/providers/hubspot.ts'
import { everyItem } from '../../../src/providers/kit/client/pages.ts'
import { FakeCalCom } from '../../support/providers/fakes/fake-cal-com.ts'
import { FakeCalendly } from '../../support/providers/fakes/fake-calendly.ts'
import { FakeHubSpot } from '../../support/providers/fakes/fake-hubspot.ts'

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

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

it('gives all bookings of Cal.com, asking for a page when it is needed', async () => {
  const fake = closing(await new FakeCalCom('s3cr3t').start())
  const cal = closing(createCalComClient({ apiKey: 's3cr3t', baseUrl: fake.baseUrl }))
  const attendee = { name: 'Ada', email: 'ada@example.com', timeZone: 'Europe/London' }
  for (const hour of ['09', '10', '11']) {
    await cal.createBooking({ start: `2026-12-24T${hour}:00:00Z`, eventTypeId: 1, attendee })
  }
  const uids: string[] = []
  for await (const { uid } of cal.bookings({ take: 2 })) uids.push(uid)
  expect(uids).toEqual(['b1', 'b2', 'b3'])
  expect(await cal.getBooking('b2')).toMatchObject({ uid: 'b2' })
  const before = fake.requests.length
  for await (const { uid } of cal.bookings({ take: 1 })) {
    expect(uid).toBe('b1')
    break
  }
  expect(fake.requests).toHaveLength(before + 1)
})

it('gives all events of Calendly, and all contacts of HubSpot that a search finds', async () => {
  const calendlyFake = closing(await new FakeCalendly('s3cr3t').start())
  const calendly = closing(createCalendlyClient({ accessToken: 's3cr3t', baseUrl: calendlyFake.baseUrl }))
  const events = await all(calendly.events({ user: 'U1', count: 1 }))
  expect(events.map(({ uri }) => uri.slice(-2))).toEqual(['E1', 'E2'])
  const fake = closing(await new FakeHubSpot('s3cr3t').start())
  const hubspot = closing(createHubSpotClient({ accessToken: 's3cr3t', baseUrl: fake.baseUrl }))
  await hubspot.upsertContacts(['a', 'b', 'c'].map((name) => ({ email: `${name}@example.com` })))
  const found = await all(hubspot.foundContacts({ query: 'e', limit: 2 }))
  expect(found.map(({ id }) => id)).toEqual(['1', '2', '3'])
})

it('ends where a cursor leads back to its own page', async () => {
  const pages: (string | undefined)[] = []
  const items = everyItem((cursor: string | undefined) => {
    pages.push(cursor)
    return Promise.resolve({ items: [cursor], next: 'same' })
  })
  expect(await all(items)).toEqual([undefined, 'same'])
  expect(pages).toEqual([undefined, 'same'])
})
