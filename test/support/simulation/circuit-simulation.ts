import { go, type Probe } from '../../../src/circuit/admission.ts'
import type { Circuit } from '../../../src/circuit/circuit.ts'
import * as machine from '../../../src/circuit/machine/machine.ts'
import type { CircuitPolicy } from '../../../src/circuit/machine/policy.ts'
import {
  createMachine,
  type Lease,
  type Machine,
  type Step,
  type View,
  viewOf,
} from '../../../src/circuit/machine/state.ts'
import type { CircuitBackend, CircuitRequest, Timed } from '../../../src/circuit/shared/backend.ts'
import { SharedCircuits } from '../../../src/circuit/shared/shared-circuits.ts'
import type { Scheduler } from '../../../src/time/clock.ts'
import { seeded } from './random.ts'
import { settled, VirtualClock } from './virtual-clock.ts'

interface SimulationOptions {
  readonly seed: number
  readonly steps: number
  readonly processes: number
  readonly policy: CircuitPolicy
  /** Share of messages lost, 0 to 1. */
  readonly loss: number
  /** Wipes, rollbacks, outages, crashes and operators happen. */
  readonly faults: boolean
}

export interface SimulationReport {
  readonly steps: number
  readonly transitions: number
  readonly probesGranted: number
  readonly refused: number
  readonly admitted: number
  readonly degradedAdmissions: number
  readonly healedInMs: number
  /** How often each thing happened: a simulation in which nothing happens proves nothing. */
  readonly events: Readonly<Record<string, number>>
}

interface Process {
  readonly name: string
  readonly circuits: SharedCircuits
  readonly circuit: Circuit
  alive: boolean
  /** Milliseconds that its clock, in either sense, is off. */
  readonly skew: number
}

const KEY = 'https://provider.test'
const EPOCH_START = 1_700_000_000_000
const COMMAND_TIMEOUT = 250

/**
 * Processes with the real client (`SharedCircuits`) over the pure machine as the server, with a virtual clock: random
 * latencies, lost messages, crashes, outages, wipes and rollbacks. Throws at the first broken invariant.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const { policy } = options
  let { loss } = options
  let pushLoss = loss
  const chance = seeded(options.seed)
  const between = (low: number, high: number): number => low + chance() * (high - low)
  const clock = new VirtualClock(0, chance)
  const events: Record<string, number> = {}
  const note = (what: string): void => void (events[what] = (events[what] ?? 0) + 1)
  // also thrown by the main loop: a rejection of an application's call would be lost
  let violation: Error | undefined
  const fail = (what: string): never => {
    violation ??= new Error(`seed ${options.seed}, ${Math.round(clock.now())} ms: ${what}`)
    throw violation
  }
  const serverNow = (): number => EPOCH_START + clock.now()

  // the server: the machine, its history for rollbacks, and what the invariants need
  let server = createMachine(policy)
  let backup = rolledBack(server)
  let down: 'no' | 'refusing' | 'frozen' = 'no'
  const frozen: (() => void)[] = []
  const processes: Process[] = []
  let highestMinted = 0
  let transitions = 0
  /** The last transition, or end of an outage: healing is measured from it. */
  let disturbedAt = 0
  let calm = true
  const rounds = new Map<number, { grants: number; ok: number; returned: number; overdue: number }>()
  const round = (epoch: number): { grants: number; ok: number; returned: number; overdue: number } => {
    let known = rounds.get(epoch)
    if (known === undefined) rounds.set(epoch, (known = { grants: 0, ok: 0, returned: 0, overdue: 0 }))
    return known
  }
  const grantedIn = new Map<string, number>()
  /** Probes that run in living processes, by token. */
  const flying = new Set<string>()

  function onServer<T extends { view: View; status: machine.SyncStatus }>(operation: () => T): T {
    const before = { epoch: server.epoch, phase: server.phase, override: server.override }
    const reply = operation()
    if (server.epoch === before.epoch) return reply
    transitions += 1
    disturbedAt = clock.now()
    note(`server ${before.phase.state} -> ${server.phase.state}`)
    if (reply.status !== 'adopted') {
      if (server.epoch <= highestMinted) fail(`epoch ${server.epoch} was minted after ${highestMinted}`)
      if (
        before.phase.state === 'open' &&
        server.phase.state === 'half-open' &&
        serverNow() < before.phase.until
      ) {
        fail('a probe went before the time was up')
      }
      if (
        before.phase.state === 'half-open' &&
        server.phase.state === 'closed' &&
        server.override === undefined
      ) {
        if (
          round(before.epoch).ok < policy.halfOpenMaxAttempts &&
          before.override === undefined &&
          !controlling
        ) {
          fail(`closed after ${round(before.epoch).ok} successes`)
        }
      }
    }
    highestMinted = Math.max(highestMinted, server.epoch)
    const view = viewOf(server, serverNow())
    for (const process of processes) {
      if (chance() < pushLoss) note('push lost')
      else {
        clock.after(between(0.1, 3), () => process.alive && process.circuits.pushed(KEY, view, serverNow()))
      }
    }
    return reply
  }
  let controlling = false

  /** Carries one command to the server and the reply back, or loses either. */
  function command<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = clock.after(COMMAND_TIMEOUT, () => reject(new Error('timed out')))
      if (chance() < loss / 5) return note('request lost')
      const arrive = (): void => {
        const reply = work()
        if (chance() < loss / 5) return note('reply lost')
        clock.after(between(0.1, 2), () => {
          late()
          resolve(reply)
        })
      }
      clock.after(between(0.1, 2), () => {
        if (down === 'refusing') {
          late()
          reject(new Error('refused'))
        } else if (down === 'frozen') frozen.push(arrive)
        else arrive()
      })
    })
  }

  const timed = <T>(reply: T): Timed<T> => ({ ...reply, serverMs: serverNow() })

  function makeBackend(by: string): CircuitBackend {
    const step = (view: View): Step => ({ policy, now: serverNow(), view, by })
    return {
      idOf: (key) => key,
      flush: (requests) =>
        Promise.all(
          requests.map(({ counts, view }) =>
            command(() => timed(onServer(() => machine.flush(server, step(view), counts)))).catch(
              (error: unknown) => error as Error,
            ),
          ),
        ),
      peek: (ids) =>
        Promise.all(ids.map(() => command(() => server.epoch).catch((error: unknown) => error as Error))),
      acquire: ({ view }: CircuitRequest, token, renew) =>
        command(() => {
          const reply = onServer(() => {
            const held = server.phase.state === 'half-open' ? [...server.phase.leases] : []
            const answer = machine.acquire(server, step(view), token, renew)
            if (server.phase.state === 'half-open') checkGrant(held, token, answer)
            return answer
          })
          return timed(reply)
        }),
      report: ({ view }, token, result) =>
        command(() => {
          const { epoch, phase } = server
          const successes = phase.state === 'half-open' ? phase.successes : 0
          const reply = onServer(() => {
            if (result === 'ok' && phase.state === 'half-open' && live(leaseOf(phase.leases, token))) {
              round(epoch).ok += 1
            }
            return machine.report(server, step(view), token, result)
          })
          if (reply.result === 'void') {
            round(epoch).returned += 1
            if (server.epoch !== epoch) fail('a cancelled probe moved the circuit')
            if (server.phase.state !== 'half-open' || server.phase.successes !== successes) {
              fail('a cancelled probe counted')
            }
          }
          return timed(reply)
        }),
      control: ({ view }, action) =>
        command(() => {
          controlling = true
          const reply = timed(onServer(() => machine.control(server, step(view), action)))
          controlling = false
          return reply
        }),
    }
  }

  const live = (lease: Lease | undefined): boolean =>
    lease !== undefined && lease.expiresAt > Math.floor(serverNow())

  const leaseOf = (leases: readonly Lease[], token: string): Lease | undefined =>
    leases.find((lease) => lease.token === token)

  function checkGrant(held: readonly Lease[], token: string, answer: machine.AcquireReply): void {
    if (server.phase.state !== 'half-open') return
    const { leases } = server.phase
    const lived = leases.filter(live).length
    if (lived > policy.halfOpenMaxAttempts) fail(`${lived} leases at once`)
    if (answer.result === 'denied') {
      for (const lease of leases) {
        if (lease.expiresAt !== leaseOf(held, lease.token)?.expiresAt) fail('a denial changed a lease')
      }
      return
    }
    if (leaseOf(held, token) !== undefined) return
    const facts = round(server.epoch)
    facts.grants += 1
    grantedIn.set(token, server.epoch)
    for (const lease of held) if (!live(lease)) facts.returned += 1
    const overdue = held.filter((lease) => live(lease) && lease.grantedAt + policy.leaseMs <= serverNow())
    facts.overdue = Math.max(facts.overdue, overdue.length)
    const bound = policy.halfOpenMaxAttempts + facts.returned + facts.overdue
    if (facts.grants > bound) fail(`${facts.grants} grants in one round, at most ${bound} expected`)
  }

  // the processes
  let names = 0
  function start(skew: number): Process {
    const name = `p${names++}`
    const scheduler: Scheduler = {
      now: () => clock.now() + 5_000,
      after: (ms, task) => clock.after(ms, task),
      random: chance,
    }
    const settings = {
      name: 'simulated',
      flushIntervalMs: 100,
      pollIntervalMs: 1_000,
      maxCircuits: 10,
      leaseMs: policy.leaseMs,
      by: name,
      offset: EPOCH_START - 5_000 + skew,
    }
    const circuits = new SharedCircuits(makeBackend(name), settings, scheduler)
    circuits.onChange(({ type, event }) => {
      if (type === 'circuit' && event.here) note(`told here ${event.from} -> ${event.to}`)
      else note(`told ${type}`)
    })
    if (down === 'no') circuits.connected()
    else clock.after(50, () => circuits.connected())
    const process: Process = { name, circuits, circuit: circuits.circuit(KEY, policy), alive: true, skew }
    processes.push(process)
    work(process)
    return process
  }

  let providerDown = false
  let calls = true
  const counted = { refused: 0, admitted: 0, probes: 0, degraded: 0 }

  /** One process's application: a call now and then. */
  function work(process: Process): void {
    clock.after(between(1, 120), () => {
      if (!process.alive) return
      if (calls) call(process).catch((error: unknown) => (violation ??= error as Error))
      work(process)
    })
  }

  async function call(process: Process): Promise<void> {
    const { circuit } = process
    const wasPassing = circuit.passing
    const admission = wasPassing ? go : await circuit.admit(clock.now() + 5_000)
    if (!process.alive) return
    if (admission.kind === 'refused') {
      counted.refused += 1
      if (circuit.machine.override === 'forced-closed' && wasPassing) fail('refused while forced closed')
      return
    }
    counted.admitted += 1
    const { generation } = circuit
    if (circuit.machine.override === 'isolated' && wasPassing) fail('admitted while isolated')
    const cancelled = chance() < 0.1
    const duration = chance() < 0.05 ? between(policy.leaseMs / 2, policy.leaseMs * 2.5) : between(2, 60)
    if (admission.kind === 'go') {
      clock.after(duration, () => {
        if (!process.alive || cancelled) return
        if (providerDown) circuit.failed(generation, 1, 0)
        else circuit.succeeded(generation)
      })
      return
    }
    probe(process, admission, duration, cancelled)
  }

  function probe(process: Process, admission: Probe, duration: number, cancelled: boolean): void {
    counted.probes += 1
    if (admission.shared) flying.add(admission.token)
    else counted.degraded += 1
    const epoch = grantedIn.get(admission.token)
    const together = [...flying].filter((token) => grantedIn.get(token) === epoch).length
    if (calm && together > policy.halfOpenMaxAttempts) fail(`${together} probes of one round in flight`)
    let over = false
    const renew = (): void => {
      clock.after(policy.leaseMs / 3, () => {
        if (over || !process.alive) return
        process.circuit.renew(admission)
        renew()
      })
    }
    renew()
    clock.after(duration, () => {
      over = true
      flying.delete(admission.token)
      if (!process.alive) return
      process.circuit.report(admission, cancelled ? 'void' : providerDown ? 'fail' : 'ok')
    })
  }

  function provider(): void {
    clock.after(between(2_000, 15_000), () => {
      providerDown = !providerDown
      provider()
    })
  }

  function outage(kind: 'refusing' | 'frozen', ms: number): void {
    if (down !== 'no') return
    down = kind
    note(kind)
    if (kind === 'refusing') {
      for (const { circuits } of processes) circuits.disconnected(new Error('connection lost'))
    }
    clock.after(ms, () => {
      down = 'no'
      disturbedAt = clock.now()
      for (const arrive of frozen.splice(0)) arrive()
      if (kind === 'refusing') for (const { circuits, alive } of processes) if (alive) circuits.connected()
    })
  }

  function trouble(): void {
    clock.after(between(3_000, 12_000), () => {
      if (!calls) return
      const dice = chance()
      if (dice < 0.15) {
        server = createMachine(policy)
        note('wiped')
      } else if (dice < 0.3) {
        server = rolledBack(backup)
        note('rolled back')
      } else if (dice < 0.45) outage('refusing', between(200, 5_000))
      else if (dice < 0.6) outage('frozen', between(100, 5_000))
      else if (dice < 0.8) {
        const victim = processes[Math.floor(chance() * processes.length)]!
        victim.alive = false
        processes.splice(processes.indexOf(victim), 1)
        note('crashed')
        start(victim.skew)
      } else if (dice < 0.9) {
        const { circuits } = processes[0]!
        void (chance() < 0.5 ? circuits.isolate(KEY) : circuits.forceClose(KEY))
        note('operator')
        clock.after(between(100, 3_000), () => void processes[0]!.circuits.reset(KEY))
      } else {
        backup = rolledBack(server)
        note('backed up')
      }
      trouble()
    })
  }

  calm = !options.faults && loss === 0
  // one process whose clock is an hour wrong, and one slightly
  for (let index = 0; index < options.processes; index++) start([3_600_000, -3_600_000, 40][index] ?? 0)
  provider()
  if (options.faults) trouble()

  for (let step = 0; step < options.steps; step++) {
    if (!clock.step()) break
    if (step % 1_000 === 0 && server.phase.state === 'half-open') checkBounds()
    await settled()
    if (violation !== undefined) throw violation
  }

  function checkBounds(): void {
    if (server.phase.state === 'half-open' && server.phase.leases.length > policy.halfOpenMaxAttempts) {
      fail('too many leases')
    }
    if (server.reporters.length > 64) fail('too many reporters')
  }

  // peace: commands arrive, nobody calls, and not one push does; the views must come together by themselves
  calls = false
  loss = 0
  pushLoss = 1
  const peace = clock.now()
  let agreedAt: number | undefined
  while (clock.now() < peace + 20_000) {
    if (!clock.step()) break
    await settled()
    const agreed =
      down === 'no' &&
      processes.every(({ circuit }) => circuit.machine.epoch === server.epoch && !circuit.shared?.degraded)
    if (!agreed) agreedAt = undefined
    else agreedAt ??= clock.now()
  }
  if (agreedAt === undefined) {
    const views = processes.map(
      ({ name, circuit }) => `${name} ${circuit.machine.epoch} ${circuit.machine.phase.state}`,
    )
    return fail(`views disagree: server ${server.epoch} ${server.phase.state}; ${views.join('; ')}`)
  }
  for (const { circuits } of processes) {
    const { state, epoch } = circuits.state(KEY)
    if (state !== server.phase.state || epoch !== server.epoch) fail('one epoch, two states')
  }
  return {
    steps: options.steps,
    transitions,
    probesGranted: counted.probes,
    refused: counted.refused,
    admitted: counted.admitted,
    degradedAdmissions: counted.degraded,
    healedInMs: Math.max(0, Math.round(agreedAt - Math.max(peace, disturbedAt))),
    events,
  }
}

/** The window of a rolled-back server is lost: it only makes the copy forget, which is what replication does. */
function rolledBack(source: Machine): Machine {
  const { epoch, phase, trips, override, by, reporters } = structuredClone(source)
  return { ...createMachine(simulationPolicy), epoch, phase, trips, override, by, reporters }
}

/** Short times, so that much happens in few steps. */
export const simulationPolicy: CircuitPolicy = {
  failureThreshold: 3,
  failureRate: 0.5,
  minimumRequests: 3,
  windowMs: 2_000,
  timeoutMs: 500,
  maxTimeoutMs: 4_000,
  halfOpenMaxAttempts: 3,
  slowCallMs: Infinity,
  slowCallRate: 0,
  quorum: 1,
  probeTimeoutMs: 60_000,
  leaseMs: 1_000,
  maxWaitMs: 0,
  maxWaiting: 0,
}
