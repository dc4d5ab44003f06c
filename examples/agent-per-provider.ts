import { Agent, fetch } from 'undici'
import { memoryStore, resilience } from 'undici-resilience'
import { startProvider } from './support/provider.ts'

const crmProvider = await startProvider(200)
const mailProvider = await startProvider(500)

// One Agent per provider: each with its own connections, timeouts and policy, both with one store.
const store = memoryStore()
const crm = resilience({ integration: 'crm', store, attemptTimeoutMs: 5_000 })
const crmAgent = new Agent({ connections: 20 }).compose(crm)

const mail = resilience({
  integration: 'mail',
  store,
  retry: { maxAttempts: 2, initialBackoffMs: 10 },
  circuitBreaker: { failureThreshold: 4, maxWaitMs: 0 },
})
const mailAgent = new Agent({ connections: 5 }).compose(mail)

for (let visitor = 1; visitor <= 3; visitor++) {
  const contact = await fetch(`${crmProvider.url}/contacts/${visitor}`, { dispatcher: crmAgent })
  // When the mail provider is down, its circuit says so at once. By default a call waits out a short opening in line; with
  // a `maxWaitMs` of 0 the visitor does not wait.
  const sent = await fetch(`${mailProvider.url}/messages/${visitor}`, {
    method: 'PUT',
    dispatcher: mailAgent,
  }).then(
    (response) => `answered ${response.status}`,
    (error: Error) => `refused: ${(error.cause as Error).name}`,
  )
  console.log(`visitor ${visitor}: crm ${contact.status}, mail ${sent}`)
}
console.log(`crm circuit ${crm.circuits.state(crmProvider.url).state}`)
console.log(`mail circuit ${mail.circuits.state(mailProvider.url).state}`)

await Promise.all([crm.close(), mail.close()])
await store.close()
await Promise.all([crmProvider.close(), mailProvider.close()])
