import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createCalComClient } from '../../../src/providers/cal-com.ts'
import { createHubSpotClient } from '../../../src/providers/hubspot.ts'
import { FakeCalCom } from '../../support/providers/fakes/fake-cal-com.ts'
import { FakeHubSpot } from '../../support/providers/fakes/fake-hubspot.ts'

let close: (() => Promise<unknown>)[]
beforeEach(() => {
  close = []
})
afterEach(async () => {
  for (const one of close) await one()
})

describe('the version of HubSpot', () => {
  async function pathsOf(apiVersion?: string) {
    const fake = await new FakeHubSpot('s3cr3t').start()
    const hubspot = createHubSpotClient({ accessToken: 's3cr3t', baseUrl: fake.baseUrl, apiVersion } as never)
    close.push(
      () => hubspot.close(),
      () => fake.close(),
    )
    await hubspot.createContact({ email: 'ada@example.com' })
    await hubspot.updateContact(1, { firstname: 'Ada' })
    await hubspot.upsertContact('ada@example.com')
    await hubspot.searchContacts({ query: 'ada' })
    expect(await hubspot.findContact('ada@example.com')).toMatchObject({ id: '1' })
    expect(await hubspot.findContact('nobody@example.com')).toBeUndefined()
    return new Set(fake.requests.map(({ path }) => path.replace(/\/contacts.*/, '')))
  }

  it('is the newest that is generally available, or the one that is named, with the legacy one', async () => {
    expect(await pathsOf()).toEqual(new Set(['/crm/objects/2026-09']))
    expect(await pathsOf('2026-03')).toEqual(new Set(['/crm/objects/2026-03']))
    expect(await pathsOf('v3')).toEqual(new Set(['/crm/v3/objects']))
  })

  it('is refused where it is none', () => {
    for (const apiVersion of ['v1', '2026', '2026-09-01', '', '../v3']) {
      expect(() => createHubSpotClient({ accessToken: 't', apiVersion })).toThrow('`apiVersion` must be')
    }
  })
})

describe('the version of Cal.com', () => {
  it('is added to a request that needs one and has none, by its endpoint', async () => {
    const fake = await new FakeCalCom('s3cr3t').start()
    const cal = createCalComClient({ apiKey: 's3cr3t', baseUrl: fake.baseUrl })
    close.push(
      () => cal.close(),
      () => fake.close(),
    )
    await cal.request('/bookings?take=1')
    await cal.request('slots?eventTypeId=1')
    await cal.request(`${fake.baseUrl}/event-types`)
    const own = { headers: { 'cal-api-version': '2024-04-15' } }
    await cal.request('/schedules', own)
    await expect(cal.request('/me')).rejects.toMatchObject({ statusCode: 404 })
    expect(fake.requests.map(({ headers }) => headers['cal-api-version'])).toEqual([
      '2024-08-13',
      '2024-09-04',
      '2024-06-14',
      '2024-04-15',
      undefined,
    ])
  })
})
