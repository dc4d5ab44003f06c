import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { Agent, setGlobalDispatcher } from 'undici'
import {
  decodeDeadLetter,
  DeadLetterFormatError,
  encodeDeadLetter,
  replayDeadLetter,
  resilience,
} from 'undici-resilience'
import { sqliteStore } from 'undici-resilience/sqlite'
import { startProvider } from './support/provider.ts'

// A queue of your own: a sink and a consumer for NATS JetStream. Needs a `nats-server` on the PATH.
const SUBJECT = 'dead-letters.new'
const WAITING = 'dead-letters.waiting'
const PARKED = 'dead-letters-parked'

/**
 * A sink, as the type `DeadLetterSink` wants it. `msgID` keeps a record that is added again from being there twice, for the
 * `duplicate_window` of the stream.
 */
function natsSink(js) {
  return {
    name: `nats:${SUBJECT}`,
    remote: true,
    async add(records) {
      await Promise.all(
        records.map((record) => js.publish(SUBJECT, encodeDeadLetter(record), { msgID: record.id })),
      )
      return { kept: records.map(({ id }) => id), duplicates: 0, settled: [], evicted: [], refused: [] }
    },
    close: () => Promise.resolve(),
  }
}

/**
 * A message on SUBJECT is sent at its first delivery only: one that comes again, since a consumer was lost, is `redelivered`.
 * So what has to wait goes to WAITING, where nothing is sent, and comes back as a new message.
 */
async function take(js, message, origin) {
  if (message.subject === WAITING) {
    const waitMs = Number(message.headers?.get('until')) - Date.now()
    if (waitMs > 0) return message.nak(waitMs)
    await js.publish(SUBJECT, message.data)
    return message.ack()
  }
  try {
    const record = decodeDeadLetter(message.data)
    const result = await replayDeadLetter(record, {
      allowedOrigins: [origin],
      redelivered: message.info.deliveryCount > 1,
    })
    console.log(`${record.request.method}: ${result.outcome}, ${result.reason}`)
    const next = encodeDeadLetter({ ...record, ...result.state })
    if (result.outcome === 'again') {
      const until = headers()
      until.set('until', String(Date.now() + result.afterMs))
      await js.publish(WAITING, next, { headers: until })
    } else if (result.outcome !== 'done') await js.publish(PARKED, next)
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    await js.publish(PARKED, message.data)
  }
  // after the copy is safe: rather twice than not at all
  message.ack()
}

async function consume(connection, origin) {
  const js = jetstream(connection)
  const consumer = await js.consumers.get('dead-letters', 'replay')
  const messages = await consumer.consume({ max_messages: 4 })
  void (async () => {
    for await (const message of messages) await take(js, message, origin)
  })()
  return messages
}

const folder = mkdtempSync(join(tmpdir(), 'nats-'))
const server = spawn(
  'nats-server',
  ['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', folder, '-js', '-sd', folder],
  {
    stdio: 'ignore',
  },
)
process.on('exit', () => server.kill())
const failed = new Promise((resolve) => server.once('error', resolve))

/** Where the server listens: it says so in a file. */
async function address() {
  for (;;) {
    const file = readdirSync(folder).find((name) => name.endsWith('.ports'))
    const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8')
    if (text !== '') return JSON.parse(text).nats[0]
    await sleep(20)
  }
}

const found = await Promise.race([address(), failed])
if (found instanceof Error) {
  console.log('no nats-server on the PATH: install it to run this example')
  rmSync(folder, { recursive: true })
  process.exit()
}
const connection = await connect({ servers: found })
const manager = await jetstreamManager(connection)
await manager.streams.add({ name: 'dead-letters', subjects: ['dead-letters.*', PARKED] })
await manager.consumers.add('dead-letters', {
  durable_name: 'replay',
  ack_policy: 'explicit',
  filter_subject: 'dead-letters.*',
})

const provider = await startProvider(503, 503, { status: 429, headers: { 'retry-after': '1' } }, 200)
const spool = sqliteStore(join(folder, 'spool.db'))
const sinks = [natsSink(jetstream(connection))]
const stack = resilience({ retry: false, deadLetter: { sinks, spool: spool.deadLetters } })
const agent = new Agent()
setGlobalDispatcher(agent.compose(stack))
for (const method of ['PUT', 'DELETE']) {
  const response = await fetch(`${provider.url}/contacts/1`, { method })
  console.log(`${method} answered ${response.status}`)
}
const consumer = await consume(connection, provider.url)
while (provider.received.length < 5) await sleep(20)
await consumer.close()

await stack.close()
await spool.close()
await agent.close()
await connection.close()
await provider.close()
const gone = new Promise((resolve) => server.once('exit', resolve))
server.kill()
await gone
rmSync(folder, { recursive: true })
