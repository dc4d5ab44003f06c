import { describe, expect, test } from 'vitest'
import type { Circuit } from '../../../../src/circuit/circuit.ts'
import type { Machine, View } from '../../../../src/circuit/machine/state.ts'
import { sumsOf } from '../../../../src/circuit/machine/window.ts'
import { resolveCircuitBreakerOptions, type CircuitBreakerOptions } from '../../../../src/circuit/options.ts'
import { type CircuitBackend, SlowStoreError } from '../../../../src/circuit/shared/backend.ts'
import { SharedCircuits } from '../../../../src/circuit/shared/shared-circuits.ts'
import type { CircuitStoreChange } from '../../../../src/circuit/store.ts'
import type { Scheduler } from '../../../../src/time/clock.ts'
import { MachineServer } from '../../../support/simulation/machine-server.ts'
import { settled as settle, VirtualClock } from '../../../support/simulation/virtual-clock.ts'

const KEY = 'https://api.test'
/** The server's time at `clock.now() === 0`. */
const EPOCH_START = 1_700_000_000_000

type Operation = 'flush' | 'peek' | 'acquire' | 'report' | 'control'

interface ClientOptions {
  /** What its wall clock is off by. */
  readonly skewMs?: number
  readonly scheduler?: Scheduler
}

/** A server in memory, whose commands and replies can be lost. */
class Server {
  readonly clock = new VirtualClock(5_000)
  readonly log: Operation[] = []
  readonly flushed: { total: number; failed: number }[] = []
  readonly clients: SharedCircuits[] = []
  /** Commands fail before they arrive. */
  down = false
  /** How commands fail before they arrive. */
  refusal: Error | undefined
  /** Commands arrive, their replies do not. */
  mute = false
  /** How long after it a command is answered. */
  latencyMs = 0
  pushes = true
  /** What its clock is off by. */
  stepMs = 0
  readonly #machines = new MachineServer({
    now: () => this.now(),
    push: (id, view, serverMs) => {
      if (this.pushes) for (const client of this.clients) client.pushed(id, view, serverMs)
    },
  })

  now(): number {
    return EPOCH_START + this.clock.now() + this.stepMs
  }

  client(by: string, { skewMs = 0, scheduler = this.clock }: ClientOptions = {}): SharedCircuits {
    const settings = {
      name: 'test',
      flushIntervalMs: 100,
      pollIntervalMs: 1_000,
      maxCircuits: 3,
      leaseMs: 10_000,
      by,
      offset: EPOCH_START + skewMs,
    }
    const client = new SharedCircuits(this.#backend(by), settings, scheduler)
    this.clients.push(client)
    client.connected()
    return client
  }

  state(id = KEY): Machine {
    return this.#machines.machine(id)
  }

  loseAll(): void {
    this.#machines.loseAll()
  }

  #backend(by: string): CircuitBackend {
    const { flushed } = this
    const backend = this.#machines.backend(by)
    const run = async <T>(what: Operation, command: () => Promise<T>): Promise<T> => {
      if (this.down) throw new Error('ECONNREFUSED')
      if (this.refusal !== undefined) throw this.refusal
      this.log.push(what)
      const reply = await command()
      if (this.latencyMs > 0) await new Promise<void>((done) => this.clock.after(this.latencyMs, done))
      if (this.mute) throw new Error('timed out')
      return reply
    }
    return {
      idOf: (key) => backend.idOf(key),
      async flush(requests) {
        flushed.push(...requests.map(({ counts }) => counts))
        const replies = requests.map((request) => run('flush', () => backend.flush([request])))
        return (await Promise.allSettled(replies)).map((reply) =>
          reply.status === 'fulfilled' ? reply.value[0]! : (reply.reason as Error),
        )
      },
      async peek(ids) {
        const replies = ids.map((id) => run('peek', () => backend.peek([id])))
        return (await Promise.allSettled(replies)).map((reply) =>
          reply.status === 'fulfilled' ? reply.value[0]! : (reply.reason as Error),
        )
      },
      acquire: (...asked) => run('acquire', () => backend.acquire(...asked)),
      report: (...asked) => run('report', () => backend.report(...asked)),
      control: (...asked) => run('control', () => backend.control(...asked)),
    }
  }
}

const policyOf = (options: CircuitBreakerOptions = {}) =>
  resolveCircuitBreakerOptions({ failureThreshold: 3, timeoutMs: 1_000, ...options }).policy

/** A server and processes that have its first view. */
async function fleet(size: number, options: CircuitBreakerOptions = {}) {
  const server = new Server()
  const policy = policyOf(options)
  const clients = Array.from({ length: size }, (_one, at) => server.client(`p${at}`))
  const circuits = clients.map((client) => client.circuit(KEY, policy))
  await settle()
  return { server, clients, circuits, policy, client: clients[0]!, circuit: circuits[0]! }
}

function fail(circuit: Circuit, times: number): void {
  for (let index = 0; index < times; index++) circuit.failed(circuit.generation, 1, 0)
}

describe('closed', () => {
  test('a thousand healthy calls are one command per interval, and none is sent before it', async () => {
    const { server, circuit } = await fleet(1)
    server.log.length = 0
    for (let index = 0; index < 1_000; index++) circuit.succeeded(circuit.generation)
    expect(server.log).toEqual([])
    await server.clock.advance(100)
    expect(server.log).toEqual(['flush'])
    expect(server.flushed.at(-1)).toMatchObject({ total: 1_000, failed: 0 })
    await server.clock.advance(500)
    expect(server.log).toEqual(['flush'])
  })

  test('failures that could open it are sent at once, and only once per interval', async () => {
    const { server, circuits, circuit } = await fleet(2, { quorum: 2 })
    server.log.length = 0
    fail(circuit, 50)
    await settle()
    expect(server.log).toEqual(['flush'])
    fail(circuits[1]!, 3)
    await settle()
    expect(circuits.map(({ passing }) => passing)).toEqual([false, false])
  })

  test('no batch follows while one is unanswered: what is counted meanwhile goes with the next, twice as late as usual', async () => {
    const { server, circuit } = await fleet(1, { failureThreshold: 100 })
    server.log.length = 0
    server.latencyMs = 350
    fail(circuit, 1)
    await server.clock.advance(100)
    expect(server.log).toEqual(['flush'])
    for (let interval = 0; interval < 3; interval++) {
      fail(circuit, 1)
      await server.clock.advance(100)
    }
    expect(server.log).toEqual(['flush'])
    server.latencyMs = 0
    await server.clock.advance(249)
    expect(server.log).toEqual(['flush'])
    await server.clock.advance(1)
    expect(server.log).toEqual(['flush', 'flush'])
    expect(server.flushed.at(-1)).toMatchObject({ total: 3, failed: 3 })
    // and the interval is the usual one again when the store has been quick for a while
    for (let times = 0; times < 6; times++) {
      fail(circuit, 1)
      await server.clock.advance(200)
    }
    server.log.length = 0
    fail(circuit, 1)
    await server.clock.advance(100)
    expect(server.log).toEqual(['flush'])
  })

  test('nothing is asked about a circuit while what was asked about it before is unanswered', async () => {
    const { server, client, circuit, policy } = await fleet(1)
    const second = client.circuit('second', policy)
    await settle()
    server.log.length = 0
    server.latencyMs = 30_000
    for (let passed = 0; passed < 20; passed++) {
      for (const one of [circuit, second]) one.lastUsedAt = server.clock.now()
      await server.clock.advance(1_000)
    }
    expect(server.log).toHaveLength(2)
  })

  test('a batch that has failed holds up the next one no longer', async () => {
    const { server, client, circuit } = await fleet(1, { failureThreshold: 100 })
    server.latencyMs = 250
    server.mute = true
    fail(circuit, 1)
    await server.clock.advance(350)
    expect(client.state(KEY).degraded).toBe(true)
    server.mute = false
    server.latencyMs = 0
    await server.clock.advance(1_000)
    expect(client.state(KEY).degraded).toBe(false)
    server.log.length = 0
    fail(circuit, 1)
    // it was slow once
    await server.clock.advance(200)
    expect(server.flushed.at(-1)).toMatchObject({ failed: 1 })
    expect(server.log).toContain('flush')
  })

  test('a reply that a later one has overtaken takes back nothing of what that one told', async () => {
    const { server, client, circuit } = await fleet(1)
    server.latencyMs = 50
    client.syncAll()
    await settle()
    server.latencyMs = 0
    circuit.succeeded(circuit.generation)
    const told = client.flush()
    await settle()
    expect(client.state(KEY)).toMatchObject({ requests: 1 })
    await server.clock.advance(50)
    await told
    expect(client.state(KEY)).toMatchObject({ requests: 1 })
  })

  test('failures of all processes add up', async () => {
    const { server, circuits } = await fleet(3)
    for (const circuit of circuits) fail(circuit, 1)
    expect(server.state().phase.state).toBe('closed')
    await server.clock.advance(100)
    expect(server.state().phase.state).toBe('open')
  })

  test('what a process counted before its first view is sent after it', async () => {
    const server = new Server()
    const circuit = server.client('p0').circuit(KEY, policyOf())
    fail(circuit, 3)
    expect(circuit.passing).toBe(true)
    await settle()
    expect(server.state().phase.state).toBe('open')
    expect(circuit.passing).toBe(false)
  })

  /** One success of each circuit every 50 ms. */
  async function healthy(server: Server, circuits: readonly Circuit[], ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      for (const circuit of circuits) {
        circuit.lastUsedAt = server.clock.now()
        circuit.succeeded(circuit.generation)
      }
      await server.clock.advance(50)
    }
  }

  test('in a healthy fleet successes are handed on every three tenths of a window, and views are looked at', async () => {
    const { server, circuits } = await fleet(4, { windowMs: 10_000 })
    await healthy(server, circuits, 20_000)
    server.log.length = 0
    server.flushed.length = 0
    await healthy(server, circuits, 30_000)
    const count = (one: Operation): number => server.log.filter((operation) => operation === one).length
    expect(count('flush') / 4).toBeGreaterThanOrEqual(8)
    expect(count('flush') / 4).toBeLessThanOrEqual(10)
    // a look at each tick, of which a poll has two
    expect(count('peek') / 4).toBeLessThanOrEqual(60)
    const told = server.flushed.reduce((sum, { total }) => sum + total, 0)
    expect(told).toBeGreaterThanOrEqual(4 * 600 * 0.9)
  })

  test('what rests is a fifth of all while the calm is young, and three tenths of a window later', async () => {
    const { server, circuits, policy } = await fleet(3, { windowMs: 10_000 })
    for (let passed = 0; passed < 15_000; passed += 250) {
      await healthy(server, circuits, 250)
      const { window } = server.state()
      const inWindow = Math.min(passed + 250, policy.windowMs) / 50
      const known = sumsOf(window, server.now()).total / 3
      // ticks of the poll are half a second apart
      const resting = Math.max(0.2 * inWindow, 10) + 10
      expect(known, `after ${passed} ms`).toBeGreaterThanOrEqual(inWindow - Math.min(resting, 0.3 * 200 + 10))
    }
  })

  test('a failure takes the successes that rest with it', async () => {
    const { server, circuit, circuits } = await fleet(2, { windowMs: 10_000 })
    await healthy(server, circuits, 20_000)
    server.flushed.length = 0
    await healthy(server, circuits, 1_000)
    const resting = circuit.shared!.pending.total
    expect(resting).toBeGreaterThan(0)
    fail(circuit, 1)
    await server.clock.advance(100)
    expect(server.flushed).toContainEqual({ total: resting + 1, failed: 1, slow: 0 })
  })

  test('half of what opens it makes every process hand on its successes within an interval', async () => {
    const { server, circuits, circuit } = await fleet(2, { windowMs: 10_000, failureThreshold: 20 })
    await healthy(server, circuits, 20_000)
    for (let step = 0; step < 220; step++) {
      fail(circuit, 2)
      await healthy(server, circuits, 50)
    }
    expect(circuit.passing).toBe(true)
    server.log.length = 0
    await healthy(server, [circuits[1]!], 1_000)
    expect(server.log.filter((operation) => operation === 'flush').length).toBeGreaterThanOrEqual(9)
  })

  test('flush and close hand on what rests', async () => {
    const { server, client, circuit } = await fleet(1, { windowMs: 10_000 })
    await healthy(server, [circuit], 20_000)
    await healthy(server, [circuit], 500)
    expect(circuit.shared!.hasPending).toBe(true)
    await client.flush()
    expect(circuit.shared!.hasPending).toBe(false)
    await healthy(server, [circuit], 500)
    await client.close()
    const told = server.flushed.reduce((sum, { total }) => sum + total, 0)
    expect(told).toBe(21_000 / 50)
  })

  test('a view that changed while it rested is found by the next look, though no message arrives', async () => {
    const { server, clients, circuits, policy } = await fleet(2, { windowMs: 10_000, timeoutMs: 60_000 })
    await healthy(server, circuits, 20_000)
    server.pushes = false
    await clients[0]!.isolate(KEY)
    await healthy(server, [circuits[1]!], 1_050)
    expect(circuits[1]!.passing).toBe(false)
    server.loseAll()
    await server.clock.advance(1_050)
    expect(server.state().override).toBe('isolated')
    expect(policy.windowMs).toBe(10_000)
  })

  test('a look that fails is an outage of the store', async () => {
    const { server, circuit } = await fleet(1, { windowMs: 10_000 })
    await healthy(server, [circuit], 20_000)
    server.down = true
    await healthy(server, [circuit], 1_050)
    expect(circuit.snapshot().degraded).toBe(true)
    server.down = false
    await server.clock.advance(300)
    expect(circuit.snapshot().degraded).toBe(false)
  })

  /** Two processes with many calls, ten with one that fails: no one in twenty of all that was called. */
  async function busyAndUnlucky(server: Server, circuits: readonly Circuit[]): Promise<void> {
    const busy = circuits.slice(0, 2)
    const tenEach = Array.from({ length: 10 }, () => busy).flat()
    await healthy(server, tenEach, 250)
    for (const circuit of circuits.slice(2)) fail(circuit, 1)
    await server.clock.advance(300)
  }

  test('after an outage no calm is left: failures do not reach the store before the successes of others', async () => {
    const { server, circuits, circuit } = await fleet(12, { failureThreshold: 10, failureRate: 0.5 })
    await healthy(server, circuits, 20_000)
    server.down = true
    await healthy(server, circuits, 12_000)
    expect(circuit.snapshot().degraded).toBe(true)
    server.down = false
    await server.clock.advance(1_000)
    expect(circuits.map((one) => one.snapshot().degraded)).not.toContain(true)
    await busyAndUnlucky(server, circuits)
    expect(server.state().phase.state).toBe('closed')
    expect(sumsOf(server.state().window, server.now())).toMatchObject({ total: 110, failed: 10 })
  })

  test('a process that finds that the store has lost what it knew hands its successes on at once again', async () => {
    const { server, circuit } = await fleet(1)
    await healthy(server, [circuit], 20_000)
    server.loseAll()
    await healthy(server, [circuit], 1_000)
    server.flushed.length = 0
    await healthy(server, [circuit], 1_000)
    expect(server.flushed.filter(({ total }) => total > 0).length).toBeGreaterThanOrEqual(9)
  })

  test('a burst after quiet does not rest: failures do not reach the store before the successes of others', async () => {
    const { server, circuits } = await fleet(12, { failureThreshold: 10, failureRate: 0.5 })
    await healthy(server, circuits, 20_000)
    for (let minute = 0; minute < 2; minute++) {
      await server.clock.advance(58_520)
      await busyAndUnlucky(server, circuits)
      expect(server.state().phase.state).toBe('closed')
      expect(sumsOf(server.state().window, server.now())).toMatchObject({ total: 110, failed: 10 })
    }
  })

  test('a rest ends at the first look after three tenths of the window, however recent the last look was', async () => {
    const { server, circuit } = await fleet(1, { windowMs: 10_000 })
    server.latencyMs = 5
    await healthy(server, [circuit], 30_000)
    server.flushed.length = 0
    await healthy(server, [circuit], 35_000)
    expect(server.flushed.length).toBeGreaterThanOrEqual(10)
  })

  test('results of attempts from before the last transition are not sent', async () => {
    const { server, client, circuit } = await fleet(1)
    const { generation } = circuit
    await client.reset(KEY)
    server.flushed.length = 0
    for (let index = 0; index < 9; index++) circuit.failed(generation, 1, 0)
    await server.clock.advance(300)
    expect(server.flushed).toEqual([])
    expect(server.state().phase.state).toBe('closed')
  })
})

describe('half-open', () => {
  async function due(options: CircuitBreakerOptions = {}, size = 1) {
    const all = await fleet(size, options)
    fail(all.circuit, 3)
    await settle()
    await all.server.clock.advance(1_001)
    all.server.log.length = 0
    return all
  }
  const ask = (circuit: Circuit) => circuit.admit(circuit.clock.now())

  test('refuses synchronously while open, and asks the store once it is due', async () => {
    const { server, circuit } = await fleet(1)
    fail(circuit, 3)
    await settle()
    server.log.length = 0
    expect(ask(circuit)).toMatchObject({ retryAfterMs: 1_000 })
    expect(server.log).toEqual([])
    await server.clock.advance(1_001)
    expect(await ask(circuit)).toMatchObject({ kind: 'probe' })
    expect(server.log.filter((operation) => operation === 'acquire')).toHaveLength(1)
  })

  test('has one request for a probe in flight, then asks no sooner than it was told', async () => {
    const { server, circuits, circuit } = await due({ halfOpenMaxAttempts: 1 }, 2)
    expect(await ask(circuits[1]!)).toMatchObject({ kind: 'probe' })
    const first = ask(circuit)
    expect(first).toBeInstanceOf(Promise)
    expect(ask(circuit)).toMatchObject({ retryAfterMs: 1 })
    expect(await first).toMatchObject({ retryAfterMs: expect.any(Number) as unknown })
    server.log.length = 0
    expect(ask(circuit)).toMatchObject({ kind: 'refused' })
    await server.clock.advance(999)
    expect(ask(circuit)).toMatchObject({ kind: 'refused' })
    expect(server.log.filter((operation) => operation === 'acquire')).toHaveLength(0)
    await server.clock.advance(102)
    expect(await ask(circuit)).toMatchObject({ kind: 'refused' })
    expect(server.log.filter((operation) => operation === 'acquire')).toHaveLength(1)
  })

  test('after a cancelled probe the same process may ask at once, whatever it was told before', async () => {
    const { circuit } = await due({ halfOpenMaxAttempts: 1 })
    const probe = await ask(circuit)
    expect(await ask(circuit)).toMatchObject({ kind: 'refused' })
    if (probe.kind === 'probe') circuit.report(probe, 'void')
    expect(await ask(circuit)).toMatchObject({ kind: 'probe' })
  })

  test('a slot that was granted in a reply that got lost goes back', async () => {
    const { server, circuits, circuit } = await due({ halfOpenMaxAttempts: 1 }, 2)
    server.mute = true
    expect(await ask(circuit)).toMatchObject({ kind: 'probe' })
    server.mute = false
    await settle()
    expect(server.state().phase).toMatchObject({ state: 'half-open', leases: [] })
    expect(await ask(circuits[1]!)).toMatchObject({ kind: 'probe' })
  })

  test('with the store out of reach the local machine grants the probes, as many as allowed', async () => {
    const { server, circuit } = await due({ halfOpenMaxAttempts: 2 })
    server.down = true
    const admissions = [await ask(circuit), ask(circuit), ask(circuit)]
    expect(admissions).toMatchObject([{ kind: 'probe' }, { kind: 'probe' }, { kind: 'refused' }])
    expect(circuit.snapshot()).toMatchObject({ state: 'half-open', degraded: true })
  })
})

describe('out of reach', () => {
  test('is told once, and the return once, however many calls there are', async () => {
    const { server, client, circuit } = await fleet(1)
    const heard: CircuitStoreChange[] = []
    client.onChange((change) => void heard.push(change))
    server.down = true
    for (let index = 0; index < 20; index++) {
      circuit.succeeded(circuit.generation)
      await server.clock.advance(100)
    }
    expect(circuit.snapshot().degraded).toBe(true)
    server.down = false
    await server.clock.advance(300)
    expect(circuit.snapshot().degraded).toBe(false)
    expect(heard.map(({ event }) => event)).toMatchObject([
      { store: 'test', degraded: true, error: { message: 'ECONNREFUSED' } },
      { store: 'test', degraded: false },
    ])
  })

  test('a store that is slow is asked by one circuit, less often after each answer that is too late', async () => {
    const { server, client, circuit, policy } = await fleet(1)
    const circuits = [circuit, client.circuit('second', policy), client.circuit('third', policy)]
    await settle()
    const asked: number[] = []
    server.mute = true
    server.latencyMs = 250
    for (const one of circuits) one.failed(one.generation, 1, 0)
    await server.clock.advance(350)
    expect(client.list().map(({ degraded }) => degraded)).toEqual([true, true, true])
    server.log.length = 0
    for (let passed = 0; passed < 40_000; passed += 50) {
      for (const one of circuits) one.succeeded(one.generation)
      const before = server.log.length
      await server.clock.advance(50)
      if (server.log.length > before) asked.push(passed)
      expect(server.log.length - before).toBeLessThanOrEqual(1)
    }
    const gaps = asked.slice(1).map((at, n) => at - asked[n]!)
    expect([asked[0], ...gaps].slice(0, 5)).toEqual([450, 1_250, 1_250, 1_250, 1_250])
    expect(server.log.every((operation) => operation === 'flush')).toBe(true)
    server.mute = false
    server.latencyMs = 1
    await server.clock.advance(10_000)
    expect(client.list().map(({ degraded }) => degraded)).toEqual([false, false, false])
  })

  test('a store that was only slow has lost nothing: what rested before rests on, shorter by the time without it', async () => {
    const { server, client, circuit } = await fleet(1)
    const calls = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 50) {
        circuit.lastUsedAt = server.clock.now()
        circuit.succeeded(circuit.generation)
        await server.clock.advance(50)
      }
    }
    await calls(60_000)
    for (const [lost, most] of [
      [new SlowStoreError('late'), 2],
      [new Error('ECONNRESET'), 50],
    ] as const) {
      server.refusal = lost
      await calls(2_000)
      expect(client.state(KEY).degraded).toBe(true)
      server.refusal = undefined
      await calls(1_000)
      expect(client.state(KEY).degraded).toBe(false)
      server.flushed.length = 0
      await calls(2_000)
      expect(server.flushed.length).toBeLessThanOrEqual(most)
      if (most > 2) expect(server.flushed.length).toBeGreaterThan(10)
    }
  })

  test('a store that is back after an outage is asked about one circuit first, and then about the others at leisure', async () => {
    const { server, client, circuit, policy } = await fleet(1)
    for (const key of ['second', 'third']) client.circuit(key, policy)
    await settle()
    client.disconnected(undefined)
    await server.clock.advance(10_000)
    server.log.length = 0
    server.latencyMs = 5
    client.connected()
    await server.clock.advance(5)
    expect(server.log).toEqual(['flush'])
    await server.clock.advance(500)
    expect(server.log).toEqual(['flush'])
    await server.clock.advance(500)
    const flushes = (): number => server.log.filter((operation) => operation === 'flush').length
    expect(flushes()).toBe(3)
    expect(client.list().map(({ degraded }) => degraded)).toEqual([false, false, false])
    // what it is told of then comes in longer intervals at first
    server.log.length = 0
    for (let passed = 0; passed < 1_000; passed += 50) {
      circuit.succeeded(circuit.generation)
      await server.clock.advance(50)
    }
    expect(flushes()).toBeGreaterThanOrEqual(1)
    expect(flushes()).toBeLessThanOrEqual(4)
  })

  test('when messages arrive again views are looked at, and only those that changed are asked for', async () => {
    const { server, clients, circuits, policy } = await fleet(2)
    for (const client of clients) client.circuit('second', policy)
    await settle()
    server.pushes = false
    await clients[1]!.isolate(KEY)
    server.log.length = 0
    clients[0]!.subscribed()
    await settle()
    expect(server.log).toEqual(['peek', 'peek', 'flush'])
    expect(circuits[0]!.passing).toBe(false)
  })

  test('when one circuit is answered again all are brought up to date, not one by one', async () => {
    const { server, client, policy, circuit } = await fleet(1)
    const circuits = [circuit, client.circuit('second', policy), client.circuit('third', policy)]
    await settle()
    server.down = true
    for (const one of circuits) one.succeeded(one.generation)
    await server.clock.advance(100)
    expect(client.list().map(({ degraded }) => degraded)).toEqual([true, true, true])
    server.down = false
    await server.clock.advance(250)
    expect(client.list().map(({ degraded }) => degraded)).toEqual([false, false, false])
  })

  test('a circuit that is forgotten while its command fails does not keep the store degraded', async () => {
    const { server, client, policy, circuit } = await fleet(1)
    const told: boolean[] = []
    client.onChange((change) => void (change.type === 'store' && told.push(change.event.degraded)))
    server.down = true
    circuit.failed(circuit.generation, 1, 0)
    // forgotten now: its last counts are sent, and fail
    for (const key of ['a', 'b', 'c']) client.circuit(key, policy)
    await settle()
    server.down = false
    await server.clock.advance(600)
    expect(told).toEqual([true, false])
    expect(client.list().map(({ degraded }) => degraded)).toEqual([false, false, false])
  })

  test('failures whose report got lost open it here, without waiting for one more', async () => {
    const { server, circuit } = await fleet(1)
    server.down = true
    fail(circuit, 3)
    await settle()
    expect(circuit.passing).toBe(false)
    expect(circuit.snapshot()).toMatchObject({ state: 'open', degraded: true })
  })

  test('the local machine opens, and the store adopts it on return', async () => {
    const { server, circuits, circuit } = await fleet(2)
    server.down = true
    fail(circuit, 3)
    await settle()
    fail(circuit, 3)
    expect(circuit.passing).toBe(false)
    server.down = false
    await server.clock.advance(300)
    expect(server.state().phase.state).toBe('open')
    expect(circuits.map(({ machine: { epoch } }) => epoch)).toEqual([
      server.state().epoch,
      server.state().epoch,
    ])
  })

  test('where a quorum is asked for, one process that opened by itself does not open the others on return', async () => {
    const { server, circuits, circuit } = await fleet(2, { quorum: 2, timeoutMs: 60_000 })
    server.down = true
    fail(circuit, 3)
    await settle()
    fail(circuit, 3)
    expect(circuit.passing).toBe(false)
    server.down = false
    await server.clock.advance(300)
    expect(server.state().phase.state).toBe('closed')
    expect(circuits.map(({ passing }) => passing)).toEqual([true, true])
  })

  test('an operator override holds here at once and for all on return, whatever the quorum', async () => {
    const { server, client, circuits } = await fleet(2, { quorum: 2 })
    server.down = true
    await client.isolate(KEY)
    expect(circuits.map(({ passing }) => passing)).toEqual([false, true])
    server.down = false
    await server.clock.advance(300)
    expect(circuits.map(({ machine: { override } }) => override)).toEqual(['isolated', 'isolated'])
  })

  test('what was counted meanwhile is dropped', async () => {
    const { server, circuit } = await fleet(1, { failureThreshold: 5 })
    server.down = true
    fail(circuit, 1)
    await server.clock.advance(100)
    fail(circuit, 3)
    server.down = false
    await server.clock.advance(500)
    fail(circuit, 4)
    await server.clock.advance(200)
    expect(server.state().phase.state).toBe('closed')
  })

  test('a store that lost the circuit gets it back from the first process that asks', async () => {
    const { server, circuits, circuit } = await fleet(3)
    fail(circuit, 3)
    await settle()
    const { epoch } = server.state()
    server.loseAll()
    await server.clock.advance(1_000)
    expect(server.state()).toMatchObject({ epoch, phase: { state: 'open' } })
    expect(circuits.every(({ passing }) => !passing)).toBe(true)
  })
})

describe('views', () => {
  test('agree within one poll though no message arrives', async () => {
    const { server, circuits, circuit } = await fleet(4)
    server.pushes = false
    fail(circuit, 3)
    await settle()
    expect(circuits.map(({ passing }) => passing)).toEqual([false, true, true, true])
    await server.clock.advance(1_000)
    expect(circuits.map(({ passing }) => passing)).toEqual([false, false, false, false])
  })

  test('are never older than one poll, however recently before a tick they were refreshed', async () => {
    for (let offset = 0; offset < 1_000; offset += 90) {
      const { server, circuits, circuit } = await fleet(2, { timeoutMs: 60_000 })
      fail(circuit, 3)
      await settle()
      await server.clock.advance(offset)
      server.pushes = false
      server.clients[1]!.syncAll()
      await settle()
      await server.clients[0]!.reset(KEY)
      await server.clock.advance(1_000)
      expect(circuits[1]!.passing, `reset ${offset} ms after the trip`).toBe(true)
      for (const client of server.clients) await client.close()
    }
  })

  test('a process that uses a key for the first time knows what was pushed of it before', async () => {
    const { server, clients, circuit, policy } = await fleet(1)
    const late = server.client('late')
    fail(circuit, 3)
    await settle()
    await server.clock.advance(400)
    const first = late.circuit(KEY, policy)
    expect(first.passing).toBe(false)
    expect(first.admit(server.clock.now())).toMatchObject({ retryAfterMs: 600 })
    await settle()
    await clients[0]!.reset(KEY)
    expect(late.circuit(KEY, policy).passing).toBe(true)
    expect(server.client('later').circuit(KEY, policy).passing).toBe(true)
  })

  test("what is pushed is heard after a step of the server's clock back, when epochs are ahead of it", async () => {
    const { server, clients, circuits } = await fleet(2)
    server.stepMs = 3_600_000
    for (const client of clients) client.syncAll()
    await settle()
    await clients[0]!.isolate(KEY)
    server.stepMs = 0
    for (const client of clients) client.syncAll()
    await settle()
    expect(circuits.map(({ passing }) => passing)).toEqual([false, false])
    await clients[0]!.reset(KEY)
    expect(circuits.map(({ passing }) => passing)).toEqual([true, true])
  })

  test('a message with an epoch in the future is ignored, and one for another circuit too', async () => {
    const { server, client, circuit } = await fleet(1)
    const view: View = {
      epoch: (server.now() + 60_000) * 1_000,
      state: 'open',
      remainingMs: 1e6,
      trips: 1,
      override: undefined,
      by: 'x',
    }
    expect(client.pushed(KEY, view, server.now() + 60_000)).toBe(false)
    expect(client.pushed('other', { ...view, epoch: circuit.machine.epoch + 1 }, server.now())).toBe(true)
    expect(circuit.passing).toBe(true)
  })

  test.each([3_600_000, -3_600_000])(
    'a clock that is wrong by %i ms is set right by the first reply',
    async (skewMs) => {
      const server = new Server()
      const circuit = server.client('skewed', { skewMs }).circuit(KEY, policyOf())
      await settle()
      server.down = true
      fail(circuit, 3)
      await settle()
      fail(circuit, 3)
      expect(circuit.passing).toBe(false)
      server.down = false
      await server.clock.advance(300)
      // what it decided alone is taken up, as that of a process with a right clock is
      expect(server.state().phase.state).toBe('open')
    },
  )

  test('a wrong local clock harms neither the others nor itself', async () => {
    const server = new Server()
    const { clock } = server
    let jump = 0
    const jumping: Scheduler = {
      now: () => clock.now() + jump,
      after: (ms, task) => clock.after(ms, task),
      random: () => clock.random(),
    }
    const clients = [server.client('p0', { scheduler: jumping }), server.client('p1')]
    const circuits = clients.map((client) => client.circuit(KEY, policyOf()))
    await settle()
    jump = 3_600_000
    server.down = true
    await clients[0]!.isolate(KEY)
    expect(circuits[0]!.machine.epoch).toBeGreaterThan((server.now() + 3_000_000) * 1_000)
    server.down = false
    await server.clock.advance(300)
    expect(server.state().override).toBeUndefined()
    expect(circuits.map(({ machine: { epoch } }) => epoch)).toEqual([
      server.state().epoch,
      server.state().epoch,
    ])
  })
})

describe('beneath an origin', () => {
  const beneath = `${KEY}#a`
  const stopped = async () => {
    const server = new Server()
    const policy = policyOf()
    const [client, operator] = [server.client('p0'), server.client('operator')] as const
    const circuit = client.circuit(beneath, policy)
    await settle()
    return { server, policy, client, operator, circuit }
  }

  test('an origin that no call uses is looked at, and not made in the store', async () => {
    const { server, client, operator, circuit } = await stopped()
    await server.clock.advance(5_000)
    expect(server.log).toContain('peek')
    expect(() => server.state(KEY)).toThrow('the server has no circuit')
    expect([client.list().map(({ key }) => key), circuit.above?.shared?.degraded]).toEqual([[beneath], false])
    client.disconnected(undefined)
    client.connected()
    await settle()
    expect(circuit.above?.shared?.degraded).toBe(false)
    await operator.isolate(KEY)
    expect(circuit.passing).toBe(false)
  })

  test('a process that comes later knows it before its first look, whether it was pushed to it or not', async () => {
    const { server, operator, policy } = await stopped()
    const heard = server.client('heard')
    await operator.isolate(KEY)
    const notHeard = server.client('not heard')
    expect(heard.circuit(beneath, policy).passing).toBe(false)
    const circuits = [notHeard.circuit(beneath, policy), notHeard.circuit(`${KEY}#b`, policy)]
    await settle()
    expect(circuits.map(({ passing }) => passing)).toEqual([false, false])
  })

  test('an override is found by the next look, though no message arrives and nothing is failing', async () => {
    const { server, operator, circuit } = await stopped()
    server.pushes = false
    // long enough for a circuit that nobody uses to be looked at every minute only
    for (let second = 0; second < 90; second++) {
      circuit.lastUsedAt = server.clock.now()
      await server.clock.advance(1_000)
    }
    await operator.isolate(KEY)
    circuit.lastUsedAt = server.clock.now()
    await server.clock.advance(1_000)
    expect(circuit.passing).toBe(false)
  })

  test('an override that was made while the store was out of reach holds here at once, and for all on return', async () => {
    const { server, client, operator, circuit, policy } = await stopped()
    const theirs = operator.circuit(`${KEY}#b`, policy)
    await settle()
    server.down = true
    for (const one of server.clients) one.disconnected(undefined)
    await client.isolate(KEY)
    expect([circuit.passing, theirs.passing]).toEqual([false, true])
    server.down = false
    for (const one of server.clients) one.connected()
    await settle()
    await server.clock.advance(1_000)
    expect([circuit.passing, theirs.passing]).toEqual([false, false])
    expect(circuit.above?.shared?.degraded).toBe(false)
  })

  test('what a call counted before an override of its origin counts nothing after it', async () => {
    const { server, operator, circuit } = await stopped()
    const { generation } = circuit
    await operator.isolate(KEY)
    await operator.reset(KEY)
    expect(circuit.passing).toBe(true)
    for (let times = 0; times < 5; times++) circuit.failed(generation, 1, 0)
    expect([sumsOf(circuit.machine.window, server.clock.now()).failed, circuit.passing]).toEqual([0, true])
  })

  test('a call that waits out a short opening is refused when its origin is isolated', async () => {
    const { server, operator, circuit } = await stopped()
    fail(circuit, 3)
    await settle()
    expect(circuit.passing).toBe(false)
    const refused: number[] = []
    const waiter = {
      call: {},
      deadline: Infinity,
      goes: () => undefined,
      refused: ({ retryAfterMs }: { retryAfterMs: number }) => void refused.push(retryAfterMs),
    }
    expect(circuit.line.join(waiter, { kind: 'refused', retryAfterMs: 1_000 })).toBeDefined()
    await operator.isolate(KEY)
    await server.clock.advance(1)
    expect(refused).toEqual([circuit.policy.timeoutMs])
  })
})

test('keeps at most `maxCircuits`, and hands on what an evicted one had counted', async () => {
  const { server, client, policy, circuit } = await fleet(1)
  circuit.failed(circuit.generation, 1, 0)
  server.flushed.length = 0
  for (const key of ['a', 'b', 'c']) {
    await server.clock.advance(1)
    client.circuit(key, policy)
  }
  await settle()
  expect(client.list().map(({ key }) => key)).toEqual(['a', 'b', 'c'])
  expect(server.flushed).toContainEqual({ total: 1, failed: 1, slow: 0 })
})

test('after close nothing is sent, no timer is left, and circuits go on locally', async () => {
  const { server, client, circuit } = await fleet(1)
  circuit.failed(circuit.generation, 1, 0)
  server.flushed.length = 0
  await client.close()
  expect(server.flushed).toEqual([{ total: 1, failed: 1, slow: 0 }])
  expect(server.clock.pending).toBe(0)
  fail(circuit, 3)
  expect(circuit.passing).toBe(false)
  await client.reset(KEY)
  expect(circuit.passing).toBe(true)
  expect(server.clock.pending).toBe(0)
})
