import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Circuit } from '../../src/circuit/circuit.ts'
import { resolveCircuitBreakerOptions } from '../../src/circuit/options.ts'
import { type RedisStore, redisStore } from '../../src/entries/redis.ts'
import { Limiter, type Waiting } from '../../src/rate-limit/limiter.ts'
import type { ClientsPlan, Order, Told } from './messages.ts'

// A part of the fleet of fleet-size.ts, which starts this: so many clients, each with connections of its own.

const CIRCUITS = 10
/** Calls of each circuit in each client, per second. */
const CALLS_PER_SECOND = 5
/** The calls of a client are spread over so many steps. */
const STEPS = 20

const plan = JSON.parse(process.argv[2] ?? '{}') as ClientsPlan
const { policy } = resolveCircuitBreakerOptions({})

/** One process of the fleet, as Redis sees it. */
class Client {
  readonly store: RedisStore
  readonly circuits: readonly Circuit[]
  readonly limiter: Limiter | undefined
  readonly #user: Redis

  constructor() {
    this.#user = new Redis(plan.url, { lazyConnect: true })
    this.store = redisStore(this.#user, { commandTimeoutMs: plan.commandTimeoutMs })
    this.circuits = Array.from({ length: CIRCUITS }, (_one, at) =>
      this.store.circuits.circuit(`https://api-${at}.test`, policy),
    )
    if (plan.limit === 0) return
    const { limit, of = plan.clients } = plan
    const rule = { limit, intervalMs: 10_000, windowMs: 10_200, reserved: 0, cost: undefined }
    this.limiter = this.store.limits.limiter('https://api-0.test', {
      limits: [rule],
      maxQueue: 1_000,
      processes: of,
    })
  }

  /** It goes on without the store for a circuit or a limit. */
  get alone(): boolean {
    return (
      this.store.circuits.list().some(({ degraded }) => degraded) ||
      this.limiter?.limits.some(({ degraded }) => degraded) === true
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

/** A call that takes a permit of the shared limit, or waits for one. */
function callUnderLimit(limiter: Limiter): void {
  const now = performance.now()
  if (limiter.passes(limiter.ones, now, false)) return
  const waiting: Waiting = {
    inLine: false,
    previousInLine: undefined,
    nextInLine: undefined,
    units: limiter.ones,
    background: false,
    waitsUntil: now + 30_000,
    release: () => undefined,
    refuse: () => undefined,
  }
  limiter.join(waiting)
}

const tell = (told: Told): void => void process.send?.(told)
const clients: Client[] = []
const all: { readonly circuit: Circuit; readonly at: number }[] = []
let failing = -1
let opened: number[] = []
let stopped = false
const permitsEachPerSecond = plan.limit / 10 / 2 / (plan.of ?? plan.clients)
let permits = 0
let idle = performance.eventLoopUtilization()

async function work(): Promise<void> {
  for (let step = 0; !stopped; step++) {
    const began = performance.now()
    for (let at = step % STEPS; at < all.length; at += STEPS) {
      const { circuit, at: provider } = all[at]!
      call(circuit, provider !== failing)
    }
    permits += (clients.length * permitsEachPerSecond) / CALLS_PER_SECOND / STEPS
    for (; permits >= 1; permits--) {
      const { limiter } = clients[Math.floor(Math.random() * clients.length)]!
      if (limiter !== undefined) callUnderLimit(limiter)
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
  } else if (order.tell === 'alone') {
    tell({ is: 'alone', clients: clients.filter(({ alone }) => alone).length })
  } else {
    while (clients.some(({ circuits }) => !circuits[0]!.passing)) await wait(5)
    tell({ is: 'passing' })
  }
}

process.on('message', (order: Order) => void onOrder(order))
process.on('disconnect', () => process.exit())
const working = work()
// one after the other, as a fleet is deployed: a circuit is told of often while its calm is young
for (let at = 0; at < plan.clients; at++) {
  const client = new Client()
  clients.push(client)
  all.push(...client.circuits.map((circuit, nth) => ({ circuit, at: nth })))
  listen(client)
  await wait(plan.everyMs)
}
tell({ is: 'deployed' })
