import { isIntegrationError, memoryStore } from 'undici-resilience'
import { createHubSpotClient } from 'undici-resilience/providers/hubspot'
import { FakeHubSpot } from '../../test/support/providers/fakes/fake-hubspot.ts'

const provider = await new FakeHubSpot('pat-na1-example').start()

const store = memoryStore()
const options = {
  accessToken: 'pat-na1-example',
  baseUrl: provider.baseUrl, // leave it out for HubSpot itself
  store,
  timeZone: 'America/New_York', // where the account's daily limit ends at midnight
}
const hubspot = createHubSpotClient(options)

// The ten-secondly limit is used up: the client waits as long as HubSpot says, and goes again.
provider.faults = [{ instead: provider.limited(200) }]
const contact = await hubspot.createContact({ email: 'ada@example.com', firstname: 'Ada' })
console.log(`contact ${contact.id} after ${provider.requests.length} requests`)

// A partial success is no exception: what HubSpot refused is in `errors`.
const { results, errors } = await hubspot.upsertContacts([
  { email: 'grace@example.com' },
  { email: 'nobody' },
])
console.log(`upserted ${results.length}, refused ${errors.length}: ${errors[0]?.message}`)

// An outage in the middle of a create: nobody knows whether it was done, so it is kept instead of sent twice.
provider.faults = [{ instead: provider.error(503, 'Service unavailable', 'UNAVAILABLE') }]
let deadLetterId = ''
try {
  await hubspot.createContact({ email: 'edsger@example.com' })
} catch (error) {
  if (!isIntegrationError(error)) throw error
  deadLetterId = error.deadLetterId ?? ''
  console.log(`${error.name}: ${error.statusCode} ${error.providerCode}, ${error.attempts} attempt`)
}
await hubspot.close()

// Later, perhaps in another process: somebody has looked it up, and the contact is not there. So it goes again.
const later = createHubSpotClient(options)
const summary = await later.replay({ ids: [deadLetterId] })
console.log(`replayed: ${summary.done}`)

await later.close()
await store.close()
await provider.close()
