import { closeSync, openSync, writeSync } from 'node:fs'
import { Redis } from 'ioredis'
import { request } from 'undici'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { channels } from '../../../src/telemetry/channels.ts'
import { Unavailable } from '../../support/calls/unavailable.ts'
import { chaosBody } from '../chaos-body.ts'

// Makes calls that fail, numbered from..to, and writes "id number where" to the file when a capture is durable. It may
// be killed at any point, and says when the first was captured. With from = to it only drains the spool, and ends when that
// is empty.
const [redisUrl = '', spoolPath = '', ackPath = '', from = '0', to = '0'] = process.argv.slice(2)

const acks = openSync(ackPath, 'a')
const numbers = new Map<string, string>()
channels.deadLetterCaptured.subscribe(({ id, url }) => numbers.set(id, url.slice(url.lastIndexOf('/') + 1)))
channels.deadLetterDurable.subscribe(({ id, where }) => {
  // one write: a kill leaves a whole line or none
  writeSync(acks, `${id} ${numbers.get(id)} ${where}\n`)
  numbers.delete(id)
})
channels.deadLetterDropped.subscribe(({ id, reason }) => process.stdout.write(`dropped ${id} ${reason}\n`))

let says = true
channels.deadLetterCaptured.subscribe(() => {
  if (says) process.stdout.write('captured\n')
  says = false
})

const client = new Redis(redisUrl, { lazyConnect: true })
const store = redisStore(client)
const spool = sqliteStore(spoolPath)
const letters = deadLetter({ integration: 'chaos', store, spool: spool.deadLetters, storeTimeoutMs: 250 })
const dispatcher = new Unavailable().compose(letters)

for (let n = Number(from); n < Number(to); n++) {
  const url = `https://api.example.com/orders/${n}`
  const { body } = await request(url, { method: 'POST', body: chaosBody(n), dispatcher })
  await body.dump()
  if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 3))
}
await letters.flush({ timeoutMs: 30_000 })
if (from === to) {
  while ((await spool.deadLetters.stats()).total > 0) await new Promise((resolve) => setTimeout(resolve, 50))
}
await letters.close()
await store.close()
await spool.close()
client.disconnect()
closeSync(acks)
