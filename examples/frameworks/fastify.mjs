// Fastify: the client is made and closed with the service.
import fastify from 'fastify'
import { isIntegrationError, ResilientHttpClient } from 'undici-resilience'
import { startFlakyServer } from './flaky-server.mjs'

const provider = await startFlakyServer()
const service = fastify({ forceCloseConnections: 'idle' })

const contacts = new ResilientHttpClient({
  integration: 'contacts',
  baseUrl: provider.url,
  retry: { initialBackoffMs: 10 },
  logger: service.log,
})
service.decorate('contacts', contacts)
// runs when no request is in hand any more
service.addHook('onClose', () => contacts.close({ timeoutMs: 5_000 }))

service.get('/contacts/:id', async function (request) {
  const answer = await this.contacts.request(`/contacts/${encodeURIComponent(request.params.id)}`)
  return answer.json()
})
service.setErrorHandler((error, _request, reply) => {
  if (!isIntegrationError(error)) return reply.send(error)
  return reply.code(502).send({ error: error.code, deadLetter: error.deadLetterId })
})
process.once('SIGTERM', () => void service.close())

const url = await service.listen({ port: 0, host: '127.0.0.1' })
const answer = await fetch(`${url}/contacts/7`)
console.log(
  `fastify: ${answer.status} ${await answer.text()} after ${provider.asked} requests to the provider`,
)
await service.close()
provider.close()
