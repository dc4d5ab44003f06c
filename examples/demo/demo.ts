import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, setGlobalDispatcher } from 'undici'
import { sqliteStore } from '../../src/entries/sqlite.ts'
import { replayDeadLetters, resilience, type ResilienceStack } from '../../src/index.ts'
import { Application } from './application.ts'
import { audit, balance } from './audit.ts'
import { type Fault, faults, Provider } from './provider.ts'
import { paint, Timeline } from './timeline.ts'

// A day of an application whose provider stumbles, limits, cuts connections, goes away and comes back.
//   npm run demo
//   DEMO_FAULT=lose|duplicate|corrupt npm run demo     the provider betrays us once: the audit must find it

const token = 'demo-token'
const fault = faultOf(process.env['DEMO_FAULT'])
const directory = mkdtempSync(join(tmpdir(), 'undici-resilience-demo-'))
const file = join(directory, 'dead-letters.db')

// hang or not, it ends
setTimeout(() => {
  console.error('the demo took longer than 28 s')
  process.exit(1)
}, 28_000).unref()

const agent = new Agent()

/** Three lines adopt it; the numbers only squeeze a day into seconds. */
function open(): { stack: ResilienceStack; close: () => Promise<void> } {
  const store = sqliteStore(file)
  const stack = resilience({
    integration: 'shop',
    store,
    retry: { initialBackoffMs: 60, maxBackoffMs: 400, idempotencyKey: true },
    circuitBreaker: { failureThreshold: 5, windowMs: 2_000, timeoutMs: 700, maxTimeoutMs: 1_000 },
  })
  setGlobalDispatcher(agent.compose(stack))
  return { stack, close: () => stack.close().then(() => store.close()) }
}

const timeline = new Timeline()
const provider = new Provider(token, fault)
await provider.start()
let { stack, close } = open()
const application = new Application(provider.url, token)

/** Business as usual: a call every 25 ms, whatever became of those before. Ends when all have ended. */
async function business(calls: number): Promise<void> {
  const before = application.results.length
  const running: Promise<void>[] = []
  for (let made = 0; made < calls; made++) {
    running.push(application.next())
    await sleep(25)
  }
  await Promise.all(running)
  const results = application.results.slice(before)
  const count = (test: (id: string, result: string) => boolean): number =>
    results.filter(({ id, result }) => test(id, result)).length
  const parts = [
    [count((id, result) => result === 'ok' && !timeline.retried.has(id)), 'ok at first'],
    [count((id, result) => result === 'ok' && timeline.retried.has(id)), 'rescued by retry'],
    [count((_id, result) => result === 'refused'), 'refused by the circuit'],
    [count((_id, result) => result === 'failed'), 'gave up'],
  ] as const
  const said = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`)
  timeline.sum(`${results.length} calls: ${said.join(', ')}`)
}

console.log(paint('bold', 'A day with an unreliable provider'))
console.log(`plain fetch, one global dispatcher, dead letters in ${file}`)

timeline.chapter('08:00', 'All is well')
await business(30)

timeline.chapter('10:00', 'It stumbles: one call in three gets a 503, some get two')
provider.change('unavailable')
await business(45)

timeline.chapter('12:00', 'It limits: 429 with Retry-After: 1')
provider.change('rate-limited')
await business(30)

timeline.chapter('14:00', 'It cuts connections, before or after it has acted')
provider.change('resetting')
await business(45)
timeline.note(`${provider.recognised} orders arrived twice and were known by their idempotency key`)

timeline.chapter('16:00', 'It is gone')
provider.change('healthy')
await provider.stop()
const sentBefore = provider.attempts
await business(90)

timeline.chapter('18:00', 'It is back')
await provider.start()
await business(60)
timeline.note(`150 calls since it went, ${provider.attempts - sentBefore} requests reached it`)

timeline.chapter('20:00', 'The application restarts; its dead letters are on disk')
await close()
;({ stack, close } = open())
const kept = await letterLabels(stack)
timeline.note(`${kept.size} dead letters in ${file}`)

timeline.chapter('21:00', 'Replay')
const summary = await replayDeadLetters(stack.deadLetters, {
  allowedOrigins: [provider.url],
  credentials: () => ({ authorization: `Bearer ${token}` }),
  ratePerSecond: 200,
})
timeline.note(
  `${summary.sent} sent, ${summary.done} taken, ${summary.failed + summary.later} failed, in ${summary.durationMs} ms`,
)
const left = await letterLabels(stack)
await close()
await agent.close()
await provider.stop()
rmSync(directory, { recursive: true })

const found = audit(application, provider)
console.log(`\n${paint('bold', 'The day in numbers')}\n`)
console.log(
  balance({
    application,
    retried: timeline.retried,
    deadLetters: kept,
    replayed: new Set([...kept].filter((label) => !left.has(label))),
    audit: found,
  }),
)

const { writes, lost, duplicates, corrupted } = found
const faultless = lost.length + duplicates.length + corrupted.length + provider.early === 0
console.log(`\nThe provider's own books against the application's ${writes} writes:`)
console.log(
  paint(
    faultless ? 'green' : 'red',
    `lost ${lost.length}, duplicates ${duplicates.length}, corrupted ${corrupted.length}, ` +
      `retried before Retry-After ${provider.early}`,
  ),
)
for (const [what, ids] of Object.entries({ lost, duplicates, corrupted })) {
  if (ids.length > 0) console.log(`${what}: ${ids.join(', ')}`)
}
process.exitCode = faultless ? 0 : 1

function faultOf(name: string | undefined): Fault | undefined {
  const fault = faults.find((one) => one === name)
  if (name !== undefined && fault === undefined) {
    throw new RangeError(`DEMO_FAULT must be one of ${faults.join(', ')}, got ${name}`)
  }
  return fault
}

/** The `call` label of every dead letter that is kept. */
async function letterLabels({ deadLetters }: ResilienceStack): Promise<Set<string>> {
  const labels = new Set<string>()
  let cursor: string | undefined
  do {
    const page = await deadLetters.list(cursor === undefined ? {} : { cursor })
    for (const { id, labels: own } of page.items) labels.add(own?.['call'] ?? id)
    cursor = page.cursor
  } while (cursor !== undefined)
  return labels
}
