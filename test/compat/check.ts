import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import * as undici from 'undici'
import { Agent, MockAgent, fetch as npmFetch, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { channels, resilience, retry, timeout, withCallOptions } from 'undici-resilience'
import { bodyNames, checkBody, faultNames, senderNames } from '../support/calls/body-matrix.ts'
import { checkCallerTimeout, timeoutSenders } from '../support/calls/caller-timeout.ts'
import { ok, reset, silence, startProvider, status } from '../support/calls/provider.ts'
import { checkTwoTenants, tenantSenders } from '../support/calls/two-tenants.ts'
import { via } from '../support/calls/via.ts'
import { checkScenario } from '../support/certainty/check.ts'
import { scenarios } from '../support/certainty/scenarios.ts'
import type { Stage } from '../support/certainty/servers.ts'
import { checkThaw } from '../support/processes/thaw.ts'

/** Runs in one runtime with one undici, against the built package; prints a line of JSON with what passed and failed. */

const provider = await startProvider()
const failures: string[] = []
let passed = 0
const [skippedSender] = process.argv.slice(2)

async function check(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
    passed++
  } catch (error) {
    failures.push(`${name}: ${String((error as Error).cause ?? error)}`.split('\n')[0]!)
  }
}

const warnings: string[] = []
process.on('warning', (warning) => warnings.push(warning.name))

const original = getGlobalDispatcher()
const dispatcher = new Agent().compose(timeout({ ms: 300 }), retry({ initialBackoffMs: 1 }))
for (const sender of senderNames.filter((name) => name !== skippedSender)) {
  for (const fault of faultNames) {
    for (const kind of bodyNames) {
      await check(`${sender}, ${fault}, ${kind}`, () =>
        checkBody({ sender, fault, kind }, provider, dispatcher),
      )
    }
  }
}
setGlobalDispatcher(original)

await check('twenty attempts through built-in fetch', async () => {
  provider.start([...Array.from({ length: 19 }, () => status(503)), ok])
  const many = new Agent().compose(retry({ maxAttempts: 20, initialBackoffMs: 0 }))
  assert.equal((await fetch(provider.url, via(many))).status, 200)
  await many.close()
})

await check('an abort during a backoff', async () => {
  provider.start([status(503), ok])
  const slow = new Agent().compose(retry({ initialBackoffMs: 60_000, jitter: 'none' }))
  const controller = new AbortController()
  const sent = fetch(provider.url, via(slow, { signal: controller.signal }))
  setTimeout(() => controller.abort(new Error('left')), 50)
  await assert.rejects(sent, /left/)
  assert.equal(provider.received.length, 1)
  await slow.close()
})

await check('the whole stack: circuit and dead letter', async () => {
  const stack = resilience({ retry: { initialBackoffMs: 1 } })
  const whole = new Agent().compose(stack)
  provider.start([status(500)])
  await withCallOptions({ labels: { order: '7' } }, () =>
    fetch(provider.url, via(whole, { method: 'PUT', body: 'payload' })),
  )
  await fetch(provider.url, via(whole)).catch(() => undefined)
  await assert.rejects(fetch(provider.url, via(whole)), (error: Error) => {
    assert.equal((error.cause as { code?: string }).code, 'ERR_CIRCUIT_OPEN')
    return true
  })
  const { items } = await stack.deadLetters.list()
  assert.equal(items.length, 3)
  const first = await stack.deadLetters.get(items.at(-1)!.id)
  assert.equal(Buffer.from(first!.request.body!).toString(), 'payload')
  await stack.close()
  await whole.close()
})

await check('MockAgent through compose', async () => {
  const mock = new MockAgent()
  mock.disableNetConnect()
  const pool = mock.get('https://api.example.com')
  pool.intercept({ path: '/', method: 'GET' }).reply(503, 'down')
  pool.intercept({ path: '/', method: 'GET' }).reply(200, 'up')
  const mocked = mock.compose(retry({ initialBackoffMs: 1 }))
  assert.equal(await (await npmFetch('https://api.example.com/', { dispatcher: mocked })).text(), 'up')
})

await check('a POST is not repeated after a reset or a timeout', async () => {
  for (const reply of [reset, silence]) {
    provider.start([reply, ok])
    await assert.rejects(fetch(provider.url, via(dispatcher, { method: 'POST', body: 'order' })))
    assert.equal(provider.received.length, 1)
  }
})

for (const sender of tenantSenders) {
  await check(`two tenants on one connection, ${sender}`, () =>
    checkTwoTenants(sender, provider, { Agent, resilience, channels }),
  )
}

for (const sender of timeoutSenders) {
  await check(`AbortSignal.timeout() of the caller, ${sender}`, () =>
    checkCallerTimeout(sender, provider, { Agent, resilience }),
  )
}

await check('a process that was stopped reads first what has come', () => checkThaw(provider))

const packageJson = new URL('../node_modules/undici/package.json', import.meta.url)
const { version } = JSON.parse(await readFile(packageJson, 'utf8')) as { version: string }
const certificate = await readFile(new URL('../certificate.json', import.meta.url), 'utf8')
const stage = { undici, certificate: JSON.parse(certificate) as Stage['certificate'] }
for (const [name, scenario] of Object.entries(scenarios)) {
  if (scenario.since !== undefined && version.startsWith('7.0.')) continue
  await check(`certainty: ${name}`, () =>
    checkScenario(scenario, version.startsWith('7.') ? 7 : 8, stage, resilience),
  )
}

await check('no MaxListenersExceededWarning', async () => {
  assert.deepEqual(
    warnings.filter((name) => name.startsWith('MaxListeners')),
    [],
  )
})

await dispatcher.close()
await provider.close()
console.log(JSON.stringify({ passed, failures }))
process.exit(failures.length === 0 ? 0 : 1)
