import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { request } from 'undici'
import { deadLetter } from '../src/dead-letter/interceptor.ts'
import { redisStore } from '../src/stores/redis/redis-store.ts'
import { sqliteStore } from '../src/stores/sqlite/sqlite-store.ts'
import { Unavailable } from '../test/support/calls/unavailable.ts'
import { startRedis } from '../test/support/servers/redis-server.ts'
import { BODY, captureAll, median, META, perSecond } from './captures.ts'

// How fast dead letters are captured into Redis, beside raw pipelined XADD in the same run, and what a call pays for it.
//   node --import ./test/support/register.ts bench/dead-letters.ts

// an outage of an hour at 17 failures a second: long enough for the code to be warm
const COUNT = 60_000
const ROUNDS = 5
const server = await startRedis()
const client = new Redis(server.url)
const store = redisStore(client, {
  deadLetters: { maxBytes: 4 * 1024 ** 3, maxRecords: 10_000_000, timeoutMs: 30_000 },
})
const folder = mkdtempSync(join(tmpdir(), 'bench-'))
const sqlite = sqliteStore(join(folder, 'letters.db'), { maxRecords: 10_000_000, maxBytes: 4 * 1024 ** 3 })

/** Pipelines of 100, so many at a time. */
async function rawXadd(atATime: number): Promise<void> {
  const json = 'x'.repeat(META)
  let sent = 0
  await Promise.all(
    Array.from({ length: atATime }, async () => {
      while (sent < COUNT) {
        const pipeline = client.pipeline()
        for (let i = 0; i < 100; i++) pipeline.xadd('raw', '*', 'r', json, 'b', BODY)
        sent += 100
        await pipeline.exec()
      }
    }),
  )
}

const RAW = 'raw XADD, pipelines of 100'
const CAPTURED = 'captures into Redis'
const work: Record<string, () => Promise<void>> = {
  [RAW]: () => rawXadd(1),
  'raw, 4 pipelines at a time': () => rawXadd(4),
  [CAPTURED]: () => captureAll(store.deadLetters, COUNT),
  'captures into SQLite': () => captureAll(sqlite.deadLetters, COUNT),
}
const rates = Object.fromEntries(Object.keys(work).map((name) => [name, [] as number[]]))
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(work)) {
    await client.flushall()
    const rate = await perSecond(COUNT, run)
    const { total } = await store.deadLetters.stats()
    if (name === CAPTURED && total !== COUNT) throw new Error(`${total} of ${COUNT} are in Redis`)
    // the first round warms up
    if (round > 0) rates[name]!.push(rate)
  }
}

console.log(
  `Node ${process.version}; records of 1 KB with their body, ${COUNT} per round, medians of ${ROUNDS} rounds`,
)
const base = median(rates[RAW]!)
for (const [name, values] of Object.entries(rates)) {
  const rate = median(values)
  console.log(
    `${name.padEnd(28)} ${Math.round(rate).toLocaleString('en').padStart(9)}/s  ${(rate / base).toFixed(2)}`,
  )
}
const ratio = median(rates[CAPTURED]!) / base
console.log(`goal: captures into Redis >= 0.50 of raw pipelines of 100: ${ratio >= 0.5 ? 'met' : 'MISSED'}`)

const letters = deadLetter({ store, spool: sqlite.deadLetters })
const subjects = { without: new Unavailable(), 'with capture': new Unavailable().compose(letters) }
const latencies: Record<string, number[]> = { without: [], 'with capture': [] }
for (let i = 0; i < 6000; i++) {
  for (const [name, dispatcher] of Object.entries(subjects)) {
    const began = performance.now()
    const { body } = await request('https://api.example.com/contacts/1', {
      method: 'PUT',
      body: BODY,
      dispatcher,
    })
    const took = performance.now() - began
    await body.dump()
    if (i >= 1000) latencies[name]!.push(took)
  }
  // the background work between the calls is not the calls' own
  if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
}
console.log('\na failing call until its response, the dispatcher answers at once, in microseconds')
for (const [name, values] of Object.entries(latencies)) {
  const sorted = values.sort((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.floor(sorted.length * share)]! * 1000).toFixed(1).padStart(8)
  console.log(`${name.padEnd(14)} p50 ${at(0.5)}  p99 ${at(0.99)}`)
}

await letters.close()
await store.close()
await sqlite.close()
client.disconnect()
await server.stop()
rmSync(folder, { recursive: true })
