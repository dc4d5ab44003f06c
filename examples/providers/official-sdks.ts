import { createRequire } from 'node:module'
import { Agent, type Dispatcher, setGlobalDispatcher } from 'undici'
import { memoryStore } from 'undici-resilience'
import { createHubSpotAgent } from 'undici-resilience/providers/hubspot'
import { createSendGridAgent } from 'undici-resilience/providers/sendgrid'
import { FakeHubSpot } from '../../test/support/providers/fakes/fake-hubspot.ts'
import { FakeSendGrid } from '../../test/support/providers/fakes/fake-sendgrid.ts'

// In your application: import { Client } from '@hubspot/api-client', import sendgrid from '@sendgrid/client',
// import mailer from '@sendgrid/mail'.
const require = createRequire(import.meta.url)
const { Client: HubSpot } = require('@hubspot/api-client') as { Client: new (options: object) => HubSpotSdk }
const sendgrid = require('@sendgrid/client') as SendGridSdk
const mailer = require('@sendgrid/mail') as MailSdk

const crm = await new FakeHubSpot('pat-na1-example').start()
const mail = await new FakeSendGrid('SG.example').start()

// The global dispatcher hands each request to the Agent of its provider, and everything else to a plain Agent.
const store = memoryStore()
const hubspotAgent = createHubSpotAgent({ baseUrl: crm.origin, store })
const sendgridAgent = createSendGridAgent({ baseUrl: mail.origin, store })
const byOrigin = new Map<string, Dispatcher>([
  [crm.origin, hubspotAgent],
  [mail.origin, sendgridAgent],
])
setGlobalDispatcher(
  new Agent().compose(
    (dispatch) =>
      function route(options, handler) {
        const agent = byOrigin.get(String(options.origin))
        return agent === undefined ? dispatch(options, handler) : agent.dispatch(options, handler)
      },
  ),
)

// @hubspot/api-client 14 calls the global fetch. Its own retries repeat creates: leave them off.
const hubspotSdk = new HubSpot({
  accessToken: 'pat-na1-example',
  basePath: crm.origin,
  numberOfApiCallRetries: 0,
})
crm.faults = [{ instead: crm.limited(200) }]
const contact = await hubspotSdk.crm.contacts.basicApi.create({
  properties: { email: 'ada@example.com' },
  associations: [],
})
console.log(`hubspot: contact ${contact.id} after ${crm.requests.length} requests`)

// @sendgrid/client 8 is built on axios, which goes past any dispatcher until it is told to fetch. @sendgrid/mail has a
// client of its own: hand it this one.
sendgrid.setApiKey('SG.example')
sendgrid.setDefaultRequest('baseUrl', mail.origin)
sendgrid.setDefaultRequest('adapter', 'fetch')
mailer.setClient(sendgrid)
mail.faults = [{ instead: mail.limited(200) }]
const [answer] = await mailer.send({
  to: 'ada@example.com',
  from: 'shop@example.com',
  subject: 'Hello',
  text: 'Hello Ada',
})
console.log(`sendgrid: ${answer.statusCode} after ${mail.requests.length} requests`)

await Promise.all([hubspotAgent.close(), sendgridAgent.close()])
await store.close()
await Promise.all([crm.close(), mail.close()])

interface HubSpotSdk {
  crm: { contacts: { basicApi: { create(input: object): Promise<{ id: string }> } } }
}

interface SendGridSdk {
  setApiKey(key: string): void
  setDefaultRequest(name: string, value: unknown): void
}

interface MailSdk {
  setClient(client: SendGridSdk): void
  send(mail: object): Promise<[{ statusCode: number }]>
}
