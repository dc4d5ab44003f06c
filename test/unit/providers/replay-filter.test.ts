import { expect, it } from 'vitest'
import { memoryStore } from '../../../src/index.ts'
import { createHubSpotClient } from '../../../src/providers/hubspot.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'

it("replays the client's own entries alone, also where the filter names an undefined integration", async () => {
  const store = memoryStore()
  const request = { ...makeRecord().request, url: 'https://api.hubapi.com/crm/v3/objects/contacts' }
  await store.deadLetters.add([makeRecord({ integration: 'hubspot:other-tenant', request })])
  const client = createHubSpotClient({ accessToken: 'token', store })
  const asked = await client.replay({ dryRun: true, filter: { integration: undefined } })
  expect(asked.claimed).toBe(0)
  const others = await client.replay({ dryRun: true, filter: { integration: 'hubspot:other-tenant' } })
  expect(others.claimed).toBe(1)
  await client.close()
})
