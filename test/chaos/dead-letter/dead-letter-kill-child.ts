import { openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { request } from 'undici'
import { deadLetter } from '../../../src/dead-letter/interceptor.ts'
import { redisStore } from '../../../src/stores/redis/redis-store.ts'
import { sqliteStore } from '../../../src/stores/sqlite/sqlite-store.ts'
import { channels } from '../../../src/telemetry/channels.ts'
import { withCallOptions } from '../../../src/with-call-options.ts'
import { Unavailable } from '../../support/calls/unavailable.ts'
import { chaosBody } from '../chaos-body.ts'

// Makes calls that fail, one every few milliseconds, until it is killed, and writes what happens, as a line each:
// "captured id time lived", and the same for ended, store, spool, dropped, and for each beat. `lived` are milliseconds in
// which this process could run: while it or the machine stands still, they stand still too.
const [redisUrl = '', spoolPath = '', logPath = ''] = process.argv.slice(2)

const BEAT_MS = 10
const log = openSync(logPath, 'a')
let lived = 0
let beatAt = performance.now()
// one write: a kill leaves a whole line or none
const note = (what: string, id: string): void => void writeSync(log, `${what} ${id} ${Date.now()} ${lived}\n`)
setInterval(() => {
  const now = performance.now()
  lived += Math.min(now - beatAt, BEAT_MS * 2)
  beatAt = now
  note('beat', '-')
}, BEAT_MS)
channels.deadLetterCaptured.subscribe(({ id }) => note('captured', id))
channels.deadLetterDurable.subscribe(({ id, where }) => note(where, id))
channels.deadLetterDropped.subscribe(({ id }) => note('dropped', id))

// with the defaults of all: that is what is promised
const store = redisStore(new Redis(redisUrl, { lazyConnect: true }))
const spool = sqliteStore(spoolPath)
const dispatcher = new Unavailable().compose(deadLetter({ store, spool: spool.deadLetters }))

for (let n = 0; ; n++) {
  const url = `https://api.example.com/orders/${n}`
  let captured = ''
  await withCallOptions({ onCaptured: (id) => (captured = id) }, async () => {
    const { body } = await request(url, { method: 'POST', body: chaosBody(n), dispatcher })
    await body.dump()
  })
  note('ended', captured)
  await sleep(Math.random() * 8)
}
