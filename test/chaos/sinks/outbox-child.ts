import { closeSync, openSync, writeSync } from 'node:fs'
import pg from 'pg'
import { createOutbox } from '../../../src/dead-letter/outbox/outbox.ts'
import { startReplayer } from '../../../src/replay.ts'
import { postgresStore } from '../../../src/stores/postgres/postgres-store.ts'

// Takes orders, each with its webhook in one transaction, and sends the webhooks. Killed at any point, it goes on where it
// was: four lanes, each with customers of its own, so that the orders of one customer come one after the other.
const [databaseUrl = '', provider = '', logPath = '', orders = '0', everyMs = '0'] = process.argv.slice(2)
const LANES = 4

const log = openSync(logPath, 'a')
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 })
pool.on('error', () => undefined)
const store = postgresStore(pool)
const outbox = createOutbox({ store, integration: 'webhooks' })
const replayer = startReplayer(store.deadLetters, {
  allowedOrigins: [provider],
  ratePerSecond: Infinity,
  concurrency: 8,
  leaseMs: 1_000,
  lapseDelayMs: 200,
  // a kill takes one of each entry that was on its way, and it may be the same one each time
  maxReplays: 100,
  initialBackoffMs: 100,
  timeoutMs: 500,
})

async function lane(number: number): Promise<void> {
  const { rows } = await pool.query<{ last: number | null }>(
    `SELECT max(n) AS last FROM orders WHERE n % ${LANES} = $1`,
    [number],
  )
  const client = await pool.connect()
  for (let n = (rows[0]?.last ?? number - LANES) + LANES; n < Number(orders); n += LANES) {
    if (everyMs !== '0') await new Promise((resolve) => setTimeout(resolve, Number(everyMs)))
    await client.query('BEGIN')
    await client.query('INSERT INTO orders (n) VALUES ($1)', [n])
    await outbox.add(
      `${provider}/orders/${n}`,
      { method: 'POST', body: JSON.stringify({ n }) },
      { idempotencyKey: `order-${n}`, orderingKey: `customer-${n % 20}`, within: client },
    )
    if (n % 3 === 0) await client.query('ROLLBACK')
    else {
      await client.query('COMMIT')
      writeSync(log, `${n} ${Date.now()}\n`)
    }
  }
  client.release()
}

await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)))
while ((await store.deadLetters.stats()).total > 0) await new Promise((resolve) => setTimeout(resolve, 100))
await replayer.close()
await store.close()
await pool.end()
closeSync(log)
