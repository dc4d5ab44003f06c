import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { request } from 'undici'
import { CaptureQueue } from '../src/dead-letter/capture-queue.ts'
import { deadLetterId } from '../src/dead-letter/id.ts'
import { deadLetter } from '../src/dead-letter/interceptor.ts'
import { recordToJson } from '../src/dead-letter/record-json.ts'
import type { DeadLetterRecord } from '../src/dead-letter/record.ts'
import { memoryDeadLetters } from '../src/stores/memory/dead-letters.ts'
import { redisStore } from '../src/stores/redis/redis-store.ts'
import { sqliteStore } from '../src/stores/sqlite/sqlite-store.ts'
import { Reporter } from '../src/telemetry/reporter.ts'
import { startRedis } from '../test/support/redis-server.ts'
import { Unavailable } from '../test/support/unavailable.ts'

// How fast dead letters are captured into Redis, beside raw pipelined XADD in the same run, and what a call pays for it.
//   node --import ./test/support/register.ts bench/dead-letters.ts

// an outage of an hour at 17 failures a second: long enough for the code to be warm
const COUNT = 60_000
const ROUNDS = 5
/** What a record of these calls weighs without its body: with it, 1 KB. */
const META = recordToJson(record('')).length
const BODY = randomBytes(512)
  .toString('hex')
  .slice(0, 1024 - META)

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

function record(body: string): DeadLetterRecord {
  const now = Date.now()
  return {
    version: 1,
    id: deadLetterId(),
    name: 'hubspot',
    timestamp: now,
    reason: 'exhausted',
    delivery: 'responded',
    retryCount: 0,
    attempts: [{ at: now, ms: 3, statusCode: 503 }],
    request: {
      method: 'PUT',
      url: 'https://api.example.com/contacts/1',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(body),
      bytes: body.length,
      sha256: '0'.repeat(64),
    },
    response: { statusCode: 503, headers: {} },
    error: { name: 'HttpStatus', message: 'the server answered 503', code: 'ERR_HTTP_STATUS' },
    replayable: true,
  }
}

async function perSecond(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return (COUNT / (performance.now() - began)) * 1000
}

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

async function throughQueue(to: typeof store.deadLetters): Promise<void> {
  const queue = new CaptureQueue({
    store: to,
    spool: memoryDeadLetters(),
    maxQueued: COUNT,
    maxQueuedBytes: 1024 ** 3,
    storeTimeoutMs: 30_000,
    onDrop: (_record, reason) => {
      throw new Error(`dropped: ${reason}`)
    },
    reporter: new Reporter('bench'),
    logger: undefined,
  })
  for (let i = 0; i < COUNT; i++) {
    queue.push(record(BODY))
    // calls fail one after the other, with the event loop between them
    if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve))
  }
  await queue.close(60_000)
}

const RAW = 'raw XADD, pipelines of 100'
const CAPTURED = 'captures into Redis'
const work: Record<string, () => Promise<void>> = {
  [RAW]: () => rawXadd(1),
  'raw, 4 pipelines at a time': () => rawXadd(4),
  [CAPTURED]: () => throughQueue(store.deadLetters),
  'captures into SQLite': () => throughQueue(sqlite.deadLetters),
}
const rates = Object.fromEntries(Object.keys(work).map((name) => [name, [] as number[]]))
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, run] of Object.entries(work)) {
    await client.flushall()
    const rate = await perSecond(run)
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
