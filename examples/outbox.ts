import { fork } from 'node:child_process'
import { once } from 'node:events'
import pg from 'pg'
import { createOutbox, startReplayer } from 'undici-resilience'
import { postgresStore } from 'undici-resilience/postgres'
import { startPostgres } from '../test/support/servers/postgres-server.ts'
import { startProvider } from './support/provider.ts'

const [, , databaseUrl, webhookUrl] = process.argv
await (databaseUrl === undefined ? main() : shop(databaseUrl, webhookUrl ?? ''))

/** Takes orders. Order and webhook are written together, both or none; nothing is sent within the transaction. */
async function shop(databaseUrl: string, webhookUrl: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: databaseUrl })
  const outbox = createOutbox({ store: postgresStore(pool), integration: 'webhooks' })

  async function take(order: { id: string; paid: boolean }): Promise<void> {
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await client.query('INSERT INTO orders (id) VALUES ($1)', [order.id])
      await outbox.add(
        `${webhookUrl}/orders`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ order: order.id }),
        },
        { idempotencyKey: order.id, orderingKey: 'customer-7', within: client },
      )
      if (!order.paid) throw new Error(`${order.id} is not paid`)
      await client.query('COMMIT')
      console.log(`${order.id}: taken`)
    } catch (error) {
      await client.query('ROLLBACK')
      console.log(`rolled back: ${(error as Error).message}`)
    } finally {
      client.release()
    }
  }

  await take({ id: 'order-1', paid: true })
  await take({ id: 'order-2', paid: false })
  await take({ id: 'order-3', paid: true })
  // the worst moment: committed, and nothing is sent yet
  process.kill(process.pid, 'SIGKILL')
}

async function main(): Promise<void> {
  const server = await startPostgres()
  const provider = await startProvider(503, 200)
  const pool = new pg.Pool({ connectionString: server.url })
  // pg's own rule: without a listener, an idle connection that ends takes the process with it
  pool.on('error', () => undefined)
  await pool.query('CREATE TABLE orders (id text PRIMARY KEY)')

  const [, signal] = (await once(fork(import.meta.filename, [server.url, provider.url]), 'exit')) as [
    null,
    string,
  ]
  console.log(`the shop ended with ${signal}; webhooks sent: ${provider.received.length}`)

  // Any process may deliver what was written: here one that does nothing else.
  const store = postgresStore(pool)
  const replayer = startReplayer(store.deadLetters, {
    allowedOrigins: [provider.url],
    filter: { reason: 'outbox' },
    // for the example: what fails is tried again soon
    initialBackoffMs: 100,
    onProgress: ({ outcome, statusCode }) => console.log(`${outcome}: ${statusCode}`),
  })
  while ((await store.deadLetters.stats()).total > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  console.log(
    `webhooks: ${provider.received.map(({ headers }) => String(headers['idempotency-key'])).join(', ')}`,
  )

  await replayer.close()
  await store.close()
  await pool.end()
  await server.stop()
  await provider.close()
}
