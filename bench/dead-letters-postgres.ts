import { cpus, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { recordToJson } from '../src/dead-letter/record/json.ts'
import { postgresStore } from '../src/stores/postgres/postgres-store.ts'
import { startPostgres } from '../test/support/servers/postgres-server.ts'
import { BODY, captureAll, captureRecord, median, META, perSecond } from './captures.ts'

// How fast dead letters are captured into PostgreSQL, beside a plain INSERT of the same bytes in the same run, and claimed,
// renewed and settled by 8 replayers.
//   node --import ./test/support/register.ts bench/dead-letters-postgres.ts

const COUNT = 20_000
const ROUNDS = 5
const BATCH = 200
const REPLAYERS = 8
const TO_REPLAY = 3_000

const server = await startPostgres(['fsync=on'])
const pool = new pg.Pool({ connectionString: server.url, max: 4 })
pool.on('error', () => undefined)
const storeOf = (own: pg.Pool) =>
  postgresStore(own, {
    listen: false,
    deadLetters: { maxBytes: 4 * 1024 ** 3, maxRecords: 10_000_000, timeoutMs: 30_000 },
  })
const store = storeOf(pool)
await store.deadLetters.stats()
await pool.query('CREATE TABLE plain (id text PRIMARY KEY, record json NOT NULL, body bytea)')
await pool.query('CREATE TABLE wide (LIKE undici_resilience.dead_letters INCLUDING ALL)')

/** Multi-row INSERTs of 200, one after the other, or two at a time as captures are. */
async function plainInsert(atATime: number): Promise<void> {
  const body = Buffer.from(BODY)
  let sent = 0
  await Promise.all(
    Array.from({ length: atATime }, async () => {
      while (sent < COUNT) {
        sent += BATCH
        const values: unknown[] = []
        const places: string[] = []
        for (let row = 0; row < BATCH; row++) {
          const record = captureRecord('')
          places.push(`($${row * 3 + 1}, $${row * 3 + 2}, $${row * 3 + 3})`)
          values.push(record.id, recordToJson(record), body)
        }
        await pool.query(`INSERT INTO plain (id, record, body) VALUES ${places.join(', ')}`, values)
      }
    }),
  )
}

/** The same rows with the columns and indexes that filters and claims need. */
async function wideInsert(): Promise<void> {
  const body = Buffer.from(BODY)
  const columns =
    'id, ts, integration, origin, reason, code, replayable, repeatable, bytes, status, due_at, record, body'
  for (let sent = 0; sent < COUNT; sent += BATCH) {
    const values: unknown[] = []
    const places: string[] = []
    for (let row = 0; row < BATCH; row++) {
      const { id, timestamp, integration, reason, ...rest } = captureRecord('')
      const given = [id, timestamp, integration, 'https://api.example.com', reason, 'ERR', true, true, 1024]
      given.push('pending', timestamp, JSON.stringify(rest))
      places.push(`(${[...given, body].map((_value, at) => `$${values.length + at + 1}`).join(', ')})`)
      values.push(...given, body)
    }
    await pool.query(`INSERT INTO wide (${columns}) VALUES ${places.join(', ')}`, values)
  }
}

const PLAIN = 'plain INSERT of the same bytes'
const CAPTURED = 'captures into PostgreSQL'
const work: Record<string, () => Promise<void>> = {
  [PLAIN]: () => plainInsert(1),
  'plain, 2 at a time': () => plainInsert(2),
  'plain, all columns and indexes': wideInsert,
  [CAPTURED]: () => captureAll(store.deadLetters, COUNT),
}
const rates = Object.fromEntries(Object.keys(work).map((name) => [name, [] as number[]]))
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(work)) {
    await pool.query('TRUNCATE plain, wide, undici_resilience.dead_letters')
    await pool.query('CHECKPOINT')
    const rate = await perSecond(COUNT, run)
    const { total } = await store.deadLetters.stats()
    if (name === CAPTURED && total !== COUNT) throw new Error(`${total} of ${COUNT} are in PostgreSQL`)
    // the first round warms up
    if (round > 0) rates[name]!.push(rate)
  }
}
const line = (name: string, figure: string): void => console.log(`${name.padEnd(32)} ${figure}`)
const shown = (rate: number): string => `${Math.round(rate).toLocaleString('en').padStart(7)}/s`
console.log(
  `Node ${process.version}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}; records of 1 KB (${META} without body), ` +
    `${COUNT} per round, medians of ${ROUNDS} rounds`,
)
const base = median(rates[PLAIN]!)
for (const [name, values] of Object.entries(rates)) {
  line(name, `${shown(median(values))}  ${(median(values) / base).toFixed(2)}`)
}
const ratio = median(rates[CAPTURED]!) / base
console.log(
  `goal: captures into PostgreSQL >= 0.50 of the plain INSERT: ${ratio >= 0.5 ? 'met' : 'MISSED'}\n`,
)

await pool.query('TRUNCATE undici_resilience.dead_letters')
for (let sent = 0; sent < TO_REPLAY; sent += BATCH) {
  const records = Array.from({ length: BATCH }, (_one, at) => {
    const record = captureRecord(BODY)
    return at % 3 === 0 ? { ...record, orderingKey: `key-${(sent + at) % 100}` } : record
  })
  await store.deadLetters.add(records)
}
const { rows: ids } = await pool.query<{ id: string }>('SELECT id FROM undici_resilience.dead_letters')
const eight = new pg.Pool({ connectionString: server.url, max: REPLAYERS })
eight.on('error', () => undefined)
const updated = await perSecond(TO_REPLAY, async () => {
  const left = [...ids]
  await Promise.all(
    Array.from({ length: REPLAYERS }, async () => {
      for (let row = left.pop(); row !== undefined; row = left.pop()) {
        for (let times = 0; times < 2; times++) {
          await eight.query('UPDATE undici_resilience.dead_letters SET lease_until = 0 WHERE id = $1', [
            row.id,
          ])
        }
      }
    }),
  )
})
await eight.end()
line(`plain UPDATE, 2 of each entry, by ${REPLAYERS}`, shown(updated))
const handled = new Set<string>()
let conflicts = 0
const settled = await perSecond(TO_REPLAY, async () => {
  await Promise.all(
    Array.from({ length: REPLAYERS }, async () => {
      const own = new pg.Pool({ connectionString: server.url, max: 2 })
      own.on('error', () => undefined)
      const { deadLetters } = storeOf(own)
      while (handled.size < TO_REPLAY) {
        const { items } = await deadLetters.claim({ limit: 16, leaseMs: 30_000 })
        // what is left waits for those with its key
        if (items.length === 0) await sleep(5)
        for (const { id, fence } of items) {
          if (!(await deadLetters.renew(id, fence, 30_000)) || handled.has(id)) conflicts++
          const replay = { at: Date.now(), outcome: 'done' as const }
          if ((await deadLetters.settle(id, fence, { outcome: 'done', replay })) !== 'done') conflicts++
          handled.add(id)
        }
      }
      await own.end()
    }),
  )
})
line(
  `claimed, renewed and settled by ${REPLAYERS}`,
  `${shown(settled)}  of ${TO_REPLAY}, a third with ordering keys`,
)
if (conflicts > 0) throw new Error(`${conflicts} were not theirs to send`)

await store.close()
await pool.end()
await server.stop()
