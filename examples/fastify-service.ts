import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify from 'fastify'
import { Agent } from 'undici'
import { CircuitBreakerOpenError, isIntegrationError, ResilientHttpClient } from 'undici-resilience'
import { sqliteStore } from 'undici-resilience/sqlite'
import { startProvider } from './support/provider.ts'

const provider = await startProvider(201, 500)
const directory = mkdtempSync(join(tmpdir(), 'fastify-service-'))

const store = sqliteStore(join(directory, 'dead-letters.db'))
const bookings = new ResilientHttpClient({
  integration: 'bookings',
  baseUrl: provider.url,
  store,
  dispatcher: new Agent({ connections: 50 }),
  retry: { idempotencyKey: true, maxAttempts: 2, initialBackoffMs: 10 },
  circuitBreaker: { failureThreshold: 4 },
  totalTimeoutMs: 10_000,
})

const service = fastify()

service.post('/bookings', async (request, reply) => {
  const response = await bookings.request('/v1/bookings', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request.body),
  })
  return reply.code(201).send(await response.json())
})

// What failed for now is not lost: it was captured, and a replay worker will bring it through.
service.setErrorHandler((error, _request, reply) => {
  if (!isIntegrationError(error)) return reply.send(error)
  if (error instanceof CircuitBreakerOpenError) {
    void reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000))
  }
  return error.deadLetterId === undefined
    ? reply.code(502).send({ error: error.code })
    : reply.code(202).send({ accepted: error.deadLetterId })
})

// In this order: no new requests, those in hand end, what they captured is on disk, and the process exits by itself.
service.addHook('onClose', async () => {
  await bookings.close({ timeoutMs: 5_000 })
  const { total } = await store.deadLetters.stats()
  await store.close()
  console.log(`closed, ${total} dead letters on disk`)
})
process.once('SIGTERM', () => void service.close().then(tidyUp))

// The rest plays three customers, and the platform that ends the service.
const url = await service.listen({ port: 0, host: '127.0.0.1' })
for (const customer of ['ada', 'grace', 'edsger']) {
  const response = await fetch(`${url}/bookings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ customer, seats: 2 }),
  })
  const { accepted } = (await response.json()) as { accepted?: string }
  console.log(`${customer}: ${response.status}${accepted === undefined ? '' : ', will be booked later'}`)
}
process.kill(process.pid, 'SIGTERM')

async function tidyUp(): Promise<void> {
  await provider.close()
  rmSync(directory, { recursive: true })
}
