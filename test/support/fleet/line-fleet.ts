import { resolveOptions } from '../../../src/checks.ts'
import type { Admission, Granted } from '../../../src/circuit/admission.ts'
import type { Circuit } from '../../../src/circuit/circuit.ts'
import { type CircuitBreakerOptions, resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
import type { CircuitBackend } from '../../../src/circuit/shared/backend.ts'
import { SharedCircuits } from '../../../src/circuit/shared/shared-circuits.ts'
import { backoffMs } from '../../../src/retry/backoff.ts'
import { retryChecks } from '../../../src/retry/options.ts'
import { MachineServer } from '../simulation/machine-server.ts'
import { seeded } from '../simulation/random.ts'
import { VirtualClock } from '../simulation/virtual-clock.ts'

interface LineFleetOptions {
  readonly seed: number
  readonly breaker?: CircuitBreakerOptions
  /** Calls per second of each process. */
  readonly perSecond?: number
  /** The provider refuses connections from 5 s on for so long. */
  readonly outageMs: number
  /** Of how many processes every connection breaks then, with ten calls under way each. Default: of all. */
  readonly burstsIn?: number
  /** Share of commands and of replies that are lost. */
  readonly loss?: number
  /** How late a push comes, at most; `lost`: none comes. */
  readonly pushes?: number | 'lost'
}

export interface LineFleetReport {
  readonly calls: number
  readonly lost: number
  /** Times the server opened the circuit. */
  readonly openings: number
  readonly probes: number
  /** The most probes under way at once, over all processes; those of a process that is cut off are its own. */
  readonly mostProbes: number
  /** How long calls waited in line, over all their attempts. */
  readonly heldMs: { readonly mean: number; readonly most: number }
  /** How many calls waited. */
  readonly held: number
  /** How long after the circuit closed the last process with a line let its first call go. */
  readonly newsMs: number
  /** Calls that went out of their order, within a process. */
  readonly overtaken: number
  /** In all lines, at the end. */
  readonly waiting: number
}

const PROCESSES = 8
const KEY = 'https://provider.test'
const EPOCH_START = 1_700_000_000_000
const OUTAGE_AT = 5_000
const COMMAND_TIMEOUT = 250
const retries = resolveOptions('retry', retryChecks, {})

interface FleetCall {
  readonly number: number
  /** As the scene measures it. */
  heldMs: number
  /** Kept by the line. */
  waitedMs: number
  previousMs: number
}

/**
 * Eight processes that share a circuit, each with a line of its own, over the pure machine as the server and in virtual
 * time: latencies, lost commands, late and lost news.
 */
export async function playLineFleet(options: LineFleetOptions): Promise<LineFleetReport> {
  const { seed, perSecond = 20, outageMs, burstsIn = PROCESSES, loss = 0, pushes = 3 } = options
  const random = seeded(seed)
  const clock = new VirtualClock(0, random)
  const { policy } = resolveCircuitBreakerOptions(options.breaker ?? {})
  const latency = (): number => 0.2 + random() * 2.8
  const counted = { calls: 0, lost: 0, ended: 0, openings: 0, probes: 0, inFlight: 0, mostProbes: 0 }
  const heldMs: number[] = []
  let overtaken = 0
  let closedAt = NaN
  let newsMs = 0

  const stores: SharedCircuits[] = []
  const server = new MachineServer({
    now: () => EPOCH_START + clock.now(),
    push(id, view, serverMs) {
      if (view.state === 'open') counted.openings += 1
      closedAt = view.state === 'closed' ? clock.now() : NaN
      if (pushes === 'lost') return
      for (const store of stores) clock.after(random() * pushes, () => store.pushed(id, view, serverMs))
    },
  })
  const remote = (by: string): CircuitBackend => {
    const local = server.backend(by)
    const run = <T>(command: () => Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        const fail = (): void => reject(new Error('timed out'))
        if (random() < loss) {
          clock.after(COMMAND_TIMEOUT, fail)
          return
        }
        const late = random() < loss
        clock.after(latency(), () => {
          const reply = command()
          if (late) clock.after(COMMAND_TIMEOUT, fail)
          else clock.after(latency(), () => void reply.then(resolve, reject))
        })
      })
    return {
      idOf: (key) => key,
      flush: async (requests) => {
        const answered = run(() => local.flush(requests))
        return await answered.catch((error: unknown) => requests.map(() => error as Error))
      },
      peek: async (ids) => {
        const answered = run(() => local.peek(ids))
        return await answered.catch((error: unknown) => ids.map(() => error as Error))
      },
      acquire: (...asked) => run(() => local.acquire(...asked)),
      report: (...asked) => run(() => local.report(...asked)),
      control: (...asked) => run(() => local.control(...asked)),
    }
  }

  const isDown = (): boolean => clock.now() >= OUTAGE_AT && clock.now() < OUTAGE_AT + outageMs
  let numbers = 0

  function attempt(circuit: Circuit, call: FleetCall, nth: number, breaksAt?: number): void {
    const end = (ok: boolean): void => {
      counted.ended += 1
      if (!ok) counted.lost += 1
      if (call.heldMs > 0) heldMs.push(call.heldMs)
    }
    const send = (granted: Granted): void => {
      const probe = granted.kind === 'probe' ? granted : undefined
      if (probe !== undefined) {
        counted.probes += 1
        counted.mostProbes = Math.max(counted.mostProbes, ++counted.inFlight)
      }
      const { generation } = circuit
      circuit.lastUsedAt = clock.now()
      const ok = breaksAt === undefined && !isDown()
      const afterMs = breaksAt === undefined ? (ok ? 20 + random() * 30 : 1) : breaksAt - clock.now()
      clock.after(afterMs, () => {
        if (probe === undefined) circuit.record(generation, ok ? 'ok' : 'fail', false)
        else {
          counted.inFlight -= 1
          circuit.report(probe, ok ? 'ok' : 'fail')
        }
        if (ok || nth >= retries.maxAttempts) return end(ok)
        call.previousMs = backoffMs(retries, nth, random(), call.previousMs)
        clock.after(call.previousMs + 1, () => attempt(circuit, call, nth + 1))
      })
    }
    const decided = (admission: Admission): void => {
      if (admission.kind !== 'refused') return send(admission)
      if (circuit.passing) return send({ kind: 'go' })
      const since = clock.now()
      const waits = (): void => void (call.heldMs += clock.now() - since)
      const place = { owner: circuit, since }
      const waiter = {
        call,
        deadline: Infinity,
        goes(granted: Granted): void {
          waits()
          // one whose time is up goes before its turn
          if (granted.kind === 'go' && call.heldMs < policy.maxWaitMs - 1) noteOrder(place)
          send(granted)
        },
        refused(): void {
          waits()
          end(false)
        },
      }
      if (circuit.line.join(waiter, admission) === undefined) end(false)
    }
    const admission = circuit.passing ? ({ kind: 'go' } as const) : circuit.admit(clock.now())
    if (admission instanceof Promise) void admission.then(decided)
    else decided(admission)
  }

  const lastGone = new Map<Circuit, number>()
  function noteOrder({ owner, since }: { owner: Circuit; since: number }): void {
    if (since < (lastGone.get(owner) ?? 0)) overtaken += 1
    lastGone.set(owner, since)
    if (!Number.isNaN(closedAt)) {
      newsMs = Math.max(newsMs, clock.now() - closedAt - (since - firstSince(owner)))
    }
  }
  const first = new Map<Circuit, { generation: number; since: number }>()
  function firstSince(circuit: Circuit): number {
    const known = first.get(circuit)
    if (known?.generation === circuit.generation) return known.since
    const since = lastGone.get(circuit)!
    first.set(circuit, { generation: circuit.generation, since })
    return since
  }

  const call = (circuit: Circuit, breaksAt?: number): void => {
    counted.calls += 1
    attempt(circuit, { number: ++numbers, heldMs: 0, waitedMs: 0, previousMs: 0 }, 1, breaksAt)
  }
  const circuits = Array.from({ length: PROCESSES }, (_one, at) => {
    const settings = {
      name: 'server',
      flushIntervalMs: 100,
      pollIntervalMs: 2_000,
      maxCircuits: 3,
      leaseMs: 10_000,
      by: `p${at}`,
      offset: EPOCH_START,
    }
    const store = new SharedCircuits(remote(`p${at}`), settings, clock)
    stores.push(store)
    store.connected()
    return store.circuit(KEY, policy)
  })

  const end = OUTAGE_AT + outageMs + 20_000
  for (const [at, circuit] of circuits.entries()) {
    const next = (): void => {
      const wait = (-Math.log(1 - random()) * 1_000) / perSecond
      if (clock.now() + wait > end) return
      clock.after(wait, () => {
        call(circuit)
        next()
      })
    }
    if (perSecond > 0) next()
    if (at >= burstsIn) continue
    clock.after(OUTAGE_AT - 20, () => {
      for (let nth = 0; nth < 10; nth++) call(circuit, OUTAGE_AT)
    })
  }
  await clock.advance(end + 40_000)
  const waiting = circuits.reduce((sum, circuit) => sum + circuit.line.waiting, 0)
  for (const store of stores) void store.close()
  if (counted.ended !== counted.calls) throw new Error(`${counted.calls - counted.ended} calls never ended`)
  const { calls, lost, openings, probes, mostProbes } = counted
  const mean = heldMs.reduce((sum, ms) => sum + ms, 0) / Math.max(1, heldMs.length)
  const most = heldMs.reduce((one, ms) => Math.max(one, ms), 0)
  return {
    calls,
    lost,
    openings,
    probes,
    mostProbes,
    heldMs: { mean, most },
    held: heldMs.length,
    newsMs,
    overtaken,
    waiting,
  }
}
