/** A service whose calls fail, and others that do not: measures how its event loop fares. */
import { setPriority } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { sqliteStore } from '../../../src/entries/sqlite.ts'
import { memoryStore, resilience } from '../../../src/index.ts'

// what else runs on the machine is not what is measured; only a privileged user may go before it
try {
  setPriority(-15)
} catch {
  // then it disturbs, and the best of several runs counts
}

const [, , url = '', path = '', seconds = '', perSecond = ''] = process.argv
const store = path === '' ? memoryStore() : sqliteStore(path)
const stack = resilience({
  store,
  retry: false,
  circuitBreaker: false,
  ...(path === '' ? { deadLetter: false as const } : {}),
})
const dispatcher = new Agent({ connections: 50 }).compose(stack)
const healthyMs: number[] = []
let failed = 0

async function call(target: string): Promise<void> {
  const began = performance.now()
  const { statusCode, body } = await request(`${url}/${target}`, {
    dispatcher,
    method: 'PUT',
    body: '{"a":1}',
  })
  await body.dump()
  if (statusCode === 200) healthyMs.push(performance.now() - began)
  else failed++
}

/** Keeps the rate whatever the timers do: those that are due are made at once. */
async function load(ms: number): Promise<void> {
  const began = performance.now()
  const calls: Promise<void>[] = []
  let made = 0
  while (performance.now() - began < ms) {
    const due = ((performance.now() - began) * Number(perSecond)) / 1000
    for (; made < due; made++) calls.push(call(made % 10 === 0 ? 'healthy' : 'failing'))
    await sleep(2)
  }
  await Promise.all(calls)
}

await load(1500) // connections, code and the thread are there
healthyMs.length = 0
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
process.send?.('begun')
await load(Number(seconds) * 1000)
delay.disable()
const sorted = healthyMs.sort((a, b) => a - b)
await stack.close({ timeoutMs: 20_000 })
const total = path === '' ? 0 : (await store.deadLetters.stats()).total
await store.close()
await dispatcher.close()
process.send?.({
  failed,
  total,
  healthy: sorted.length,
  healthyP99: sorted[Math.floor(sorted.length * 0.99)] ?? Infinity,
  p50: delay.percentile(50) / 1e6,
  p99: delay.percentile(99) / 1e6,
  max: delay.max / 1e6,
})
