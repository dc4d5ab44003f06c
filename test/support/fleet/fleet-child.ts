import { Agent, request } from 'undici'
import { circuitBreaker, type CircuitBreakerOptions } from '../../../src/circuit/interceptor.ts'
import { CircuitBreakerOpenError } from '../../../src/errors.ts'
import { fleetServer } from './fleet-server.ts'
import type { FleetCommand, FleetReport, FleetSettings } from './fleet.ts'

// One process of a fleet: calls the provider through a breaker whose circuit all processes share, as told by its parent.

const settings = JSON.parse(process.argv[2] ?? '{}') as FleetSettings & { skewMs?: number }
if (settings.skewMs !== undefined) {
  const { timeOrigin } = performance
  const { now } = Date
  const skewMs = settings.skewMs
  Object.defineProperty(performance, 'timeOrigin', { value: timeOrigin + skewMs })
  Date.now = () => now() + skewMs
}
const server = fleetServer(settings.place, settings.store)
const { store } = server
const breaker = circuitBreaker({ ...(settings.breaker as CircuitBreakerOptions), store })
const agent = new Agent({ connections: 50 })
const dispatcher = agent.compose(breaker)
const key = settings.provider
/** The clock that the server's epochs are made of: microseconds since 1970, true whatever the skew. */
const trueOrigin = performance.timeOrigin - (settings.skewMs ?? 0)
const micros = (): number => Math.round((trueOrigin + performance.now()) * 1_000)

const report: FleetReport = { ok: 0, failed: 0, refused: 0, unexpected: [], slowestMs: 0 }
const send = (message: object): void => void process.send?.(message)

store.circuits.onChange(({ type, event }) => {
  if (type === 'circuit' && event.key === key) send({ type: 'circuit', at: micros(), event: { ...event } })
  if (type === 'store') {
    send({ type: 'store', at: micros(), degraded: event.degraded, error: String(event.error) })
  }
})

async function call(): Promise<void> {
  const start = performance.now()
  try {
    const { statusCode, body } = await request(`${key}/`, { dispatcher })
    await body.dump()
    if (statusCode === 200) report.ok += 1
    else report.failed += 1
  } catch (error) {
    if (error instanceof CircuitBreakerOpenError) {
      report.refused += 1
      // a refusal may wait for the store when half-open, never longer than the command timeout
      report.slowestMs = Math.max(report.slowestMs, performance.now() - start)
    } else if (report.unexpected.length < 20) report.unexpected.push(String(error))
  }
}

const underWay = new Set<Promise<void>>()
function begin(): void {
  const one = call().finally(() => underWay.delete(one))
  underWay.add(one)
}

let timer: NodeJS.Timeout | undefined
const commands: Record<FleetCommand['type'], (command: FleetCommand) => unknown> = {
  calls: ({ everyMs = 0 }) => {
    clearInterval(timer)
    if (everyMs > 0) timer = setInterval(begin, everyMs)
  },
  burst: async ({ count = 1 }) => {
    for (let index = 0; index < count; index++) await call()
  },
  // the calls that are under way now, not those that begin meanwhile
  settled: () => Promise.all(underWay),
  state: () => breaker.circuits.state(key),
  report: () => report,
  isolate: () => breaker.circuits.isolate(key),
  reset: () => breaker.circuits.reset(key),
  deaf: () => {
    // messages of the channel get lost
    ;(store.circuits as unknown as { pushed: () => boolean }).pushed = () => true
  },
  // what the server and this machine take for a message without anything of ours
  listen: () => server.listen((sent) => send({ type: 'message', micros: micros() - sent })),
  publish: () => server.publish(),
  close: async () => {
    clearInterval(timer)
    await store.close()
    await server.close()
    await agent.destroy()
    process.disconnect()
  },
}

process.on('message', (command: FleetCommand & { id: number }) => {
  void (async () => {
    const reply: unknown = await commands[command.type](command)
    if (command.type !== 'close') send({ type: 'reply', id: command.id, reply })
  })()
})
process.on('disconnect', () => process.exit(0))

// the circuit exists from the start, so that the process has its view
await call()
send({ type: 'started' })
