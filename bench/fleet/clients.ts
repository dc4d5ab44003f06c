import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Circuit } from '../../src/circuit/circuit.ts'
import { resolveCircuitBreakerOptions } from '../../src/circuit/options.ts'
import { type RedisStore, redisStore } from '../../src/entries/redis.ts'
import type { Order, Told } from './messages.ts'

// A part of the fleet of fleet-size.ts, which starts this: so many clients, each with connections of its own.

const CIRCUITS = 10
/** Calls of each circuit in each client, per second. */
const CALLS_PER_SECOND = 5
/** The calls of a client are spread over so many steps. */
const STEPS = 20

const [url = '', size = '0', everyMs = '25'] = process.argv.slice(2)
const { policy } = resolveCircuitBreakerOptions({})

/** One process of the fleet, as Redis sees it. */
class Client {
  readonly store: RedisStore
  readonly circuits: readonly Circuit[]
  readonly #user: Redis

  constructor() {
    this.#user = new Redis(url, { lazyConnect: true })
    // many clients in one process are late where one would not be: that is no outage of Redis
    this.store = redisStore(this.#user, { commandTimeoutMs: 10_000 })
    this.circuits = Array.from({ length: CIRCUITS }, (_one, at) =>
      this.store.circuits.circuit(`https://api-${at}.test`, policy),
    )
  }

  async close(): Promise<void> {
    await this.store.close()
    this.#user.disconnect()
  }
}

/** A call through a circuit, as the breaker's layer makes it. */
function call(circuit: Circuit, succeeds: boolean): void {
  const now = performance.now()
  if (!circuit.passing) {
    void probe(circuit, now, succeeds)
    return
  }
  circuit.lastUsedAt = now
  if (succeeds) circuit.succeeded(circuit.generation)
  else circuit.failed(circuit.generation, 1, 0)
}

async function probe(circuit: Circuit, now: number, succeeds: boolean): Promise<void> {
  const admission = await circuit.admit(now)
  if (admission.kind === 'probe') circuit.report(admission, succeeds ? 'ok' : 'fail')
}

const tell = (told: Told): void => void process.send?.(told)
const clients: Client[] = []
const all: { readonly circuit: Circuit; readonly at: number }[] = []
let failing = -1
let opened: number[] = []
let stopped = false
let idle = performance.eventLoopUtilization()

async function work(): Promise<void> {
  for (let step = 0; !stopped; step++) {
    const began = performance.now()
    for (let at = step % STEPS; at < all.length; at += STEPS) {
      const { circuit, at: provider } = all[at]!
      call(circuit, provider !== failing)
    }
    await wait(Math.max(1, 1_000 / CALLS_PER_SECOND / STEPS - (performance.now() - began)))
  }
}

function listen(client: Client): void {
  client.store.circuits.onChange((change) => {
    if (change.type !== 'circuit' || change.event.from !== 'closed') return
    // an epoch is the server's time in microseconds; both run on one host
    opened.push(performance.timeOrigin + performance.now() - change.event.epoch / 1_000)
    if (opened.length === clients.length) tell({ is: 'open', after: opened })
  })
}

async function onOrder(order: Order): Promise<void> {
  if ('failing' in order) {
    failing = order.failing
    if (failing >= 0) opened = []
  } else if ('end' in order) {
    stopped = true
    await Promise.all([working, ...clients.map((client) => client.close())])
    process.exit()
  } else if (order.tell === 'busy') {
    const now = performance.eventLoopUtilization()
    tell({ is: 'busy', share: performance.eventLoopUtilization(now, idle).utilization })
    idle = now
  } else {
    while (clients.some(({ circuits }) => !circuits[0]!.passing)) await wait(5)
    tell({ is: 'passing' })
  }
}

process.on('message', (order: Order) => void onOrder(order))
process.on('disconnect', () => process.exit())
const working = work()
// one after the other, as a fleet is deployed: a circuit is told of often while its calm is young
for (let at = 0; at < Number(size); at++) {
  const client = new Client()
  clients.push(client)
  all.push(...client.circuits.map((circuit, nth) => ({ circuit, at: nth })))
  listen(client)
  await wait(Number(everyMs))
}
tell({ is: 'deployed' })
