import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Agent, type Dispatcher, interceptors, request } from 'undici'
import { table } from '../examples/demo/table.ts'
import { resilience, type ResilienceOptions } from '../src/index.ts'

// What retries add to the load of a provider that fails, over real sockets; see ./README.md.
//   npm run bench:storm -- [--per-second 1000] [--seconds 30] [--of 'everything fails'] [--client retries] [--client ...]

const { values } = parseArgs({
  options: {
    'per-second': { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '30' },
    /** Only what begins so. */
    of: { type: 'string', default: '' },
    client: { type: 'string', multiple: true, default: [''] },
  },
})
const perSecond = Number(values['per-second'])
const seconds = Number(values.seconds)

/** What share of the requests fails at a moment, in seconds since the start. */
type Provider = (second: number) => number

let fails: Provider = () => 0
let startedAt = 0
let received = 0
const server = createServer((incoming, response) => {
  received += 1
  incoming.resume()
  const failed = Math.random() < fails((performance.now() - startedAt) / 1_000)
  setTimeout(() => response.writeHead(failed ? 503 : 200).end('{}'), 20)
})
await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

interface Client {
  readonly name: string
  readonly make: (agent: Dispatcher) => { dispatcher: Dispatcher; close: () => Promise<void> }
}
const ours = (name: string, options: ResilienceOptions): Client => ({
  name,
  make: (agent) => {
    const stack = resilience({ deadLetter: false, ...options })
    return { dispatcher: agent.compose(stack), close: () => stack.close() }
  },
})
const clients: readonly Client[] = [
  ours('retries with their budget', { circuitBreaker: false }),
  ours('retries without', { circuitBreaker: false, retry: { budget: false } }),
  {
    name: 'undici retry',
    make: (agent) => ({
      dispatcher: agent.compose(interceptors.retry({ throwOnError: false })),
      close: () => Promise.resolve(),
    }),
  },
  ours('the whole stack', {}),
  ours('the same without budget', { retry: { budget: false } }),
]

async function run(client: Client, provider: Provider): Promise<string[]> {
  const agent = new Agent({ connections: 200 })
  const { dispatcher, close } = client.make(agent)
  fails = provider
  received = 0
  startedAt = performance.now()
  let calls = 0
  let served = 0
  const underWay = new Set<Promise<void>>()
  const one = async (): Promise<void> => {
    try {
      const { statusCode, body } = await request(url, { dispatcher })
      await body.dump()
      if (statusCode === 200) served += 1
    } catch {
      // an open circuit; undici's own error of a failed retry
    }
  }
  while (performance.now() - startedAt < seconds * 1_000) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond)
    for (; calls < due; calls++) {
      const task: Promise<void> = one().finally(() => underWay.delete(task))
      underWay.add(task)
    }
    await wait(5)
  }
  await Promise.all(underWay)
  await close()
  await agent.destroy()
  return [
    client.name,
    calls.toString(),
    (received / calls).toFixed(3),
    `${((100 * served) / calls).toFixed(2)} %`,
  ]
}

for (const [what, provider] of [
  ['everything fails', () => 1],
  ['30 % of the attempts fail', () => 0.3],
  ['a blip of 3 s after 10 s', (second) => (second >= 10 && second < 13 ? 1 : 0)],
] as readonly [string, Provider][]) {
  if (!what.startsWith(values.of)) continue
  console.log(`\n${what}; ${perSecond} calls/s for ${seconds} s`)
  const rows: string[][] = []
  for (const client of clients) {
    if (!values.client.some((name) => client.name.startsWith(name))) continue
    rows.push(await run(client, provider))
  }
  console.log(table(['client', 'calls', 'attempts per call', 'served'], rows))
}
server.close()
