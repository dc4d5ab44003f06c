// Express: one stack per provider, errors of it as answers, and a shutdown in good order.
import { once } from 'node:events'
import express from 'express'
import { CircuitBreakerOpenError, isIntegrationError, ResilientHttpClient } from 'undici-resilience'
import { startFlakyServer } from './flaky-server.mjs'

const provider = await startFlakyServer()
const contacts = new ResilientHttpClient({
  integration: 'contacts',
  baseUrl: provider.url,
  retry: { initialBackoffMs: 10 },
  totalTimeoutMs: 10_000,
})

const app = express()

app.get('/contacts/:id', async (request, response) => {
  const answer = await contacts.request(`/contacts/${encodeURIComponent(request.params.id)}`)
  response.json(await answer.json())
})

app.use((error, _request, response, next) => {
  if (!isIntegrationError(error)) return next(error)
  if (error instanceof CircuitBreakerOpenError) {
    response.set('retry-after', String(Math.ceil(error.retryAfterMs / 1_000)))
  }
  response.status(502).json({ error: error.code, deadLetter: error.deadLetterId })
})

const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')

/** No new requests, those in hand end, then what they captured is written down. */
async function shutDown() {
  server.close()
  server.closeIdleConnections()
  await once(server, 'close')
  await contacts.close({ timeoutMs: 5_000 })
}
process.once('SIGTERM', () => void shutDown())

// The rest plays a customer, and the platform that ends the service.
const answer = await fetch(`http://127.0.0.1:${server.address().port}/contacts/7`)
console.log(
  `express: ${answer.status} ${await answer.text()} after ${provider.asked} requests to the provider`,
)
await shutDown()
provider.close()
