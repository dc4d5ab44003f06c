import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { acquire, control, flush, type ProbeResult, report } from '../../../../src/circuit/machine/machine.ts'
import type { CircuitPolicy } from '../../../../src/circuit/machine/policy.ts'
import {
  createMachine,
  type Lease,
  type Machine,
  type Step,
  unknownView,
  type View,
  viewOf,
} from '../../../../src/circuit/machine/state.ts'
import { resolveCircuitBreakerOptions } from '../../../../src/circuit/options.ts'
import { seeded } from '../../../support/simulation/random.ts'

const policy: CircuitPolicy = {
  failureThreshold: 3,
  failureRate: 0.5,
  minimumRequests: 3,
  windowMs: 1_000,
  timeoutMs: 500,
  maxTimeoutMs: 2_000,
  halfOpenMaxAttempts: 2,
  slowCallMs: Infinity,
  slowCallRate: 0,
  quorum: 1,
  probeTimeoutMs: 60_000,
  leaseMs: 300,
  maxWaitMs: 0,
  maxWaiting: 0,
}
const start = 1_700_000_000_000

/** One machine with its own clock, and callers that know its newest view. */
function machineAt(options: Partial<CircuitPolicy> = {}) {
  const own = { ...policy, ...options }
  const machine = createMachine(own)
  let now = start
  const view = (): View => viewOf(machine, now)
  const step = (seen: View, by = 'p1'): Step => ({ policy: own, now, view: seen, by })
  return {
    machine,
    view,
    wait: (ms: number) => void (now += ms),
    flush: (total: number, failed: number, by = 'p1', slow = 0, seen = view()) =>
      flush(machine, step(seen, by), { total, failed, slow }),
    acquire: (token: string, seen = view()) => acquire(machine, step(seen), token, false),
    renew: (token: string) => acquire(machine, step(view()), token, true),
    report: (token: string, result: ProbeResult, seen = view()) => report(machine, step(seen), token, result),
    control: (action: 'isolate' | 'force-close' | 'reset') => control(machine, step(view()), action),
  }
}

function opened(options: Partial<CircuitPolicy> = {}) {
  const circuit = machineAt(options)
  circuit.flush(3, 3)
  expect(circuit.machine.phase.state).toBe('open')
  return circuit
}

function halfOpen(options: Partial<CircuitPolicy> = {}) {
  const circuit = opened(options)
  circuit.wait(500)
  expect(circuit.acquire('first').result).toBe('granted')
  return circuit
}

/** Opened once, and closed by its probes. */
function closedAgain() {
  const circuit = halfOpen()
  circuit.acquire('second')
  circuit.report('first', 'ok')
  circuit.report('second', 'ok')
  expect(circuit.machine.phase.state).toBe('closed')
  return circuit
}

describe('closed', () => {
  test('opens when failures reach the threshold, the rate and the minimum of requests, and not before', () => {
    const circuit = machineAt({ minimumRequests: 4 })
    expect(circuit.flush(3, 3).view.state).toBe('closed')
    expect(circuit.flush(1, 1).view.state).toBe('open')
    expect(machineAt({ failureThreshold: 9 }).flush(8, 8).view.state).toBe('closed')
    expect(machineAt({ failureThreshold: 9 }).flush(9, 9).view.state).toBe('open')
    expect(machineAt({ failureRate: 0 }).flush(1_000, 2).view.state).toBe('closed')
    expect(machineAt({ failureRate: 0 }).flush(1_000, 3).view.state).toBe('open')
  })

  test('opens on a rate that the sample carries surely, and on a sample of nothing but failures', () => {
    const usual = { failureThreshold: 10, minimumRequests: 10, failureRate: 0.7 }
    const state = (total: number, failed: number, options: Partial<CircuitPolicy> = usual) =>
      machineAt(options).flush(total, failed).view.state
    expect([state(9, 9), state(10, 10)]).toEqual(['closed', 'open'])
    expect([state(20, 18), state(20, 19)]).toEqual(['closed', 'open'])
    expect([state(100, 80), state(100, 81)]).toEqual(['closed', 'open'])
    expect(state(3, 3, { ...usual, failureThreshold: 3, minimumRequests: 3 })).toBe('open')
    // a rate of 1 is carried only by all
    expect([state(1_000, 999, { ...usual, failureRate: 1 }), state(10, 10, { failureRate: 1 })]).toEqual([
      'closed',
      'open',
    ])
  })

  test('stays closed in 19 of 20 starts at least where 40 % fail, and opens in each where all do', () => {
    const { policy: usual } = resolveCircuitBreakerOptions({})
    const opens = (seed: number, share: number): boolean => {
      const random = seeded(seed)
      const circuit = machineAt(usual)
      for (let call = 0; call < 600; call++) {
        circuit.wait(-Math.log(1 - random()) * 1_000)
        if (circuit.flush(1, random() < share ? 1 : 0).view.state === 'open') return true
      }
      return false
    }
    const opened = (share: number): number =>
      Array.from({ length: 20 }, (_, seed) => opens(seed, share)).filter(Boolean).length
    expect(opened(0.4)).toBeLessThanOrEqual(1)
    expect(opened(1)).toBe(20)
  })

  test('never opens on a success, though the rate may rise as old successes are forgotten', () => {
    const circuit = machineAt()
    circuit.flush(10, 0)
    circuit.wait(500)
    circuit.flush(9, 9)
    circuit.wait(600)
    expect(circuit.flush(1, 0)).toMatchObject({ total: 10, failed: 9, view: { state: 'closed' } })
    expect(circuit.flush(1, 1).view.state).toBe('open')
  })

  test('opens on the share of slow calls', () => {
    const circuit = machineAt({ slowCallRate: 0.5 })
    expect(circuit.flush(10, 0, 'p1', 8).view.state).toBe('closed')
    expect(circuit.flush(3, 0, 'p1', 3).view.state).toBe('open')
    expect(machineAt({ slowCallRate: 0.5 }).flush(3, 0, 'p1', 3).view.state).toBe('open')
  })

  test('one process below the quorum cannot open it, two can, and a failure outside the window does not count', () => {
    const circuit = machineAt({ quorum: 2 })
    for (let index = 0; index < 50; index++) circuit.flush(1, 1, 'broken')
    expect(circuit.machine.phase.state).toBe('closed')
    circuit.wait(1_100)
    expect(circuit.flush(3, 3, 'other').view.state).toBe('closed')
    expect(circuit.flush(1, 1, 'broken').view.state).toBe('open')
  })

  test('a failure outside the window does not count towards the quorum, though the clock has stepped back since', () => {
    const circuit = machineAt({ quorum: 3 })
    circuit.wait(600)
    circuit.flush(1, 1, 'early')
    circuit.wait(-500)
    circuit.flush(1, 1, 'silent')
    circuit.wait(1_050)
    expect(circuit.flush(3, 3, 'third').view.state).toBe('closed')
    expect(circuit.flush(1, 1, 'silent').view.state).toBe('open')
  })

  test('a batch of an older epoch counts nothing', () => {
    const circuit = machineAt()
    circuit.flush(1, 0)
    const old = circuit.view()
    circuit.control('reset')
    expect(circuit.flush(9, 9, 'p1', 0, old)).toMatchObject({
      status: 'behind',
      total: 0,
      view: { state: 'closed' },
    })
  })
})

describe('open', () => {
  test('admits nobody before its time, then the first who asks', () => {
    const circuit = opened()
    circuit.wait(499)
    expect(circuit.acquire('a')).toMatchObject({ result: 'denied', retryInMs: 1, view: { state: 'open' } })
    circuit.wait(1)
    expect(circuit.acquire('a')).toMatchObject({ result: 'granted', view: { state: 'half-open' } })
  })

  test('stays open longer after each failed recovery, up to the maximum', () => {
    const circuit = opened()
    const lengths: number[] = []
    for (let round = 0; round < 4; round++) {
      lengths.push(circuit.view().remainingMs)
      circuit.wait(lengths.at(-1)!)
      circuit.acquire(`t${round}`)
      circuit.report(`t${round}`, 'fail')
    }
    expect(lengths).toEqual([500, 1_000, 2_000, 2_000])
  })

  test('opens for longer yet within the window after its closing, later for as long as at first', () => {
    const reopened = (afterMs: number) => {
      const circuit = closedAgain()
      expect(circuit.view()).toMatchObject({ state: 'closed', trips: 1 })
      circuit.wait(afterMs)
      return circuit.flush(3, 3).view
    }
    expect(reopened(0)).toMatchObject({ trips: 2, remainingMs: 1_000 })
    expect(reopened(999)).toMatchObject({ trips: 2, remainingMs: 1_000 })
    expect(reopened(1_001)).toMatchObject({ trips: 1, remainingMs: 500 })
  })

  test('an operator ends the row of openings', () => {
    for (const action of ['reset', 'force-close', 'isolate'] as const) {
      const circuit = closedAgain()
      circuit.control(action)
      circuit.control('reset')
      expect(circuit.flush(3, 3).view, action).toMatchObject({ trips: 1, remainingMs: 500 })
    }
  })

  test('does not stay open beyond the maximum when the clock steps back', () => {
    const circuit = opened()
    circuit.wait(-3_600_000)
    expect(circuit.flush(0, 0).view.remainingMs).toBe(2_000)
  })
})

describe('half-open', () => {
  test('closes after as many successes as probes are allowed, all of its round', () => {
    const circuit = halfOpen()
    circuit.acquire('second')
    expect(circuit.report('first', 'ok')).toMatchObject({ result: 'counted', view: { state: 'half-open' } })
    expect(circuit.acquire('third').result).toBe('denied')
    expect(circuit.report('second', 'ok').view.state).toBe('closed')
  })

  test('opens again at the first failure, and what its other probe says then counts nothing', () => {
    const circuit = halfOpen()
    circuit.acquire('second')
    expect(circuit.report('first', 'fail').view.state).toBe('open')
    expect(circuit.report('second', 'ok').result).toBe('ignored')
  })

  test('a cancelled probe gives its slot back at once and changes nothing', () => {
    const circuit = halfOpen()
    circuit.acquire('second')
    const before = circuit.view()
    expect(circuit.report('second', 'void').result).toBe('void')
    expect(circuit.view()).toEqual(before)
    expect(circuit.acquire('third').result).toBe('granted')
  })

  test('a dead prober delays the recovery by one lease at most, however often others ask', () => {
    const circuit = halfOpen()
    circuit.acquire('dead')
    for (let asked = 0; asked < 30; asked++) {
      circuit.wait(9)
      expect(circuit.acquire(`early-${asked}`).result).toBe('denied')
    }
    const { retryInMs } = circuit.acquire('early')
    expect(retryInMs).toBe(30)
    circuit.wait(retryInMs)
    expect(circuit.acquire('late').result).toBe('granted')
  })

  test('a lease that is renewed does not end', () => {
    const circuit = halfOpen({ halfOpenMaxAttempts: 1 })
    for (let times = 0; times < 20; times++) {
      circuit.wait(100)
      expect(circuit.renew('first').result).toBe('granted')
      expect(circuit.acquire('other').result).toBe('denied')
    }
    expect(circuit.report('first', 'ok').view.state).toBe('closed')
  })

  test('a lease that ended is not revived, and its late result counts nothing', () => {
    const circuit = halfOpen()
    circuit.wait(300)
    expect(circuit.renew('first').result).toBe('denied')
    expect(circuit.report('first', 'ok').result).toBe('ignored')
  })

  test('one hung probe of two does not hold up the recovery, and never more than two are in flight', () => {
    const circuit = halfOpen()
    circuit.acquire('good')
    circuit.report('good', 'ok')
    expect(circuit.acquire('too early').result).toBe('denied')
    for (let times = 0; times < 3; times++) {
      circuit.wait(100)
      circuit.renew('first')
    }
    expect(circuit.acquire('replacement').result).toBe('granted')
    expect(circuit.acquire('one too many').result).toBe('denied')
    expect(circuit.report('replacement', 'ok').view.state).toBe('closed')
  })

  test('closes for a process that asks for fewer successes than there have been already', () => {
    const circuit = halfOpen({ halfOpenMaxAttempts: 3 })
    circuit.report('first', 'ok')
    circuit.acquire('second')
    circuit.report('second', 'ok')
    // a release later: all processes have new options
    const step = (): Step => ({
      policy: { ...policy, halfOpenMaxAttempts: 2 },
      now: start + 600,
      by: 'p2',
      view: viewOf(circuit.machine, start + 600),
    })
    expect(acquire(circuit.machine, step(), 'third', false).result).toBe('granted')
    expect(acquire(circuit.machine, step(), 'fourth', false)).toMatchObject({
      result: 'denied',
      retryInMs: 300,
    })
    expect(report(circuit.machine, step(), 'third', 'ok').view.state).toBe('closed')
  })

  test('the same token takes one slot, also when the command was sent twice', () => {
    const circuit = halfOpen()
    expect(circuit.acquire('first').result).toBe('granted')
    expect(circuit.acquire('second').result).toBe('granted')
  })
})

describe('overrides', () => {
  test('isolated admits none, whatever time passes', () => {
    const circuit = machineAt()
    circuit.control('isolate')
    circuit.wait(1e9)
    expect(circuit.acquire('a')).toMatchObject({
      result: 'denied',
      view: { state: 'open', override: 'isolated' },
    })
    expect(circuit.control('reset').view).toMatchObject({ state: 'closed', override: undefined, trips: 0 })
  })

  test('forced closed rejects none, whatever fails', () => {
    const circuit = opened()
    circuit.control('force-close')
    expect(circuit.flush(100, 100).view.state).toBe('closed')
    expect(circuit.acquire('a').result).toBe('go')
  })
})

describe('a server that lost the circuit', () => {
  test('takes it back from the first caller, open as it was', () => {
    const before = opened()
    const after = machineAt()
    expect(after.flush(0, 0, 'p2', 0, before.view())).toMatchObject({
      status: 'adopted',
      view: { state: 'open' },
    })
    expect(after.view()).toEqual(before.view())
  })

  test('does not open on the counts that came with the view', () => {
    const view = { ...unknownView, epoch: start * 1_000 - 5 }
    expect(machineAt().flush(9, 9, 'p1', 0, view)).toMatchObject({
      status: 'adopted',
      total: 0,
      view: { state: 'closed' },
    })
  })

  test('begins a new round of probes, since the leases are lost', () => {
    const before = halfOpen()
    const after = machineAt()
    after.wait(600)
    after.flush(0, 0, 'p2', 0, before.view())
    expect(after.view()).toMatchObject({ state: 'open', remainingMs: 0 })
    expect(after.machine.epoch).toBeGreaterThan(before.machine.epoch)
    expect(after.report('first', 'ok', before.view()).result).toBe('ignored')
  })

  test('refuses an epoch that is no number or lies in the future, and tells its own view', () => {
    for (const epoch of [NaN, -1, 1.5, Infinity, 2 ** 60, (start + 60_000) * 1_000]) {
      const circuit = machineAt()
      expect(
        circuit.flush(1, 1, 'p1', 0, { ...unknownView, epoch, state: 'open', remainingMs: 1e9 }),
      ).toMatchObject({
        status: 'refused',
        view: { state: 'closed' },
      })
    }
  })
})

/** Random callers, tokens, old views, lost state: after each step the invariants hold. */
describe('invariants', () => {
  const step = fc.record({
    wait: fc.oneof(fc.constant(0), fc.nat(50), fc.nat(700)),
    kind: fc.constantFrom(
      'flush',
      'flush',
      'acquire',
      'acquire',
      'renew',
      'report',
      'report',
      'control',
      'wipe',
    ),
    caller: fc.nat(2),
    /** How many views ago the caller last heard of the circuit. */
    age: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(4)),
    token: fc.constantFrom('a', 'b', 'c', 'd'),
    failed: fc.nat(3),
    successes: fc.nat(3),
    result: fc.constantFrom<ProbeResult>('ok', 'ok', 'fail', 'void'),
    action: fc.constantFrom('isolate', 'force-close', 'reset', 'reset'),
  })
  const options = fc.record({
    halfOpenMaxAttempts: fc.integer({ min: 1, max: 3 }),
    quorum: fc.integer({ min: 1, max: 2 }),
    minimumRequests: fc.integer({ min: 1, max: 5 }),
  })

  test('hold after every step of random traces with stale callers and lost state', () => {
    fc.assert(
      fc.property(options, fc.array(step, { minLength: 20, maxLength: 120 }), (chosen, steps) => {
        const own = { ...policy, ...chosen }
        let machine = createMachine(own)
        let now = start
        let highest = 0
        let round = { epoch: 0, grants: 0, returned: 0, ok: 0, overdue: 0 }
        const views: View[] = [unknownView]
        for (const { wait, kind, caller, age, token, failed, successes, result, action } of steps) {
          now += wait
          const by = `p${caller}`
          const view = views.at(-1 - age) ?? unknownView
          const step: Step = { policy: own, now, by, view }
          const before: Machine = { ...machine }
          const leases = new Map<string, Lease>(
            before.phase.state === 'half-open'
              ? before.phase.leases.map((lease) => [lease.token, lease])
              : [],
          )
          const successesBefore = before.phase.state === 'half-open' ? before.phase.successes : 0
          const expired = [...leases.values()].filter((lease) => lease.expiresAt <= now).length
          let adopted = false
          if (kind === 'wipe') {
            // no server loses a key and makes it again within one microsecond
            now += 1
            machine = createMachine(own)
            round = { epoch: 0, grants: 0, returned: 0, ok: 0, overdue: 0 }
            continue
          } else if (kind === 'flush') {
            const counts = { total: failed + successes, failed, slow: 0 }
            const reply = flush(machine, step, counts)
            adopted = reply.status === 'adopted'
            if (reply.status === 'behind') {
              expect(machine).toMatchObject({ epoch: before.epoch, phase: before.phase })
            }
            if (machine.epoch !== before.epoch && reply.status === 'same') expect(failed).toBeGreaterThan(0)
          } else if (kind === 'control') {
            adopted = control(machine, step, action as 'reset').status === 'adopted'
          } else if (kind === 'report') {
            const reply = report(machine, step, token, result)
            adopted = reply.status === 'adopted'
            const held = leases.get(token)
            if (!adopted && (held === undefined || held.expiresAt <= now)) {
              expect(reply.result).toBe('ignored')
              if (reply.status !== 'created') expect(machine.epoch).toBe(before.epoch)
            }
            if (reply.result === 'void') {
              expect(machine.epoch).toBe(before.epoch)
              round.returned += 1
            }
            if (reply.result === 'counted' && result === 'ok') round.ok += 1
          } else {
            const reply = acquire(machine, step, token, kind === 'renew')
            adopted = reply.status === 'adopted'
            if (kind === 'renew' && !adopted && reply.status !== 'created') {
              expect(machine.epoch).toBe(before.epoch)
            }
            if (machine.override === 'isolated') expect(reply.result).toBe('denied')
            if (machine.override === 'forced-closed' && kind === 'acquire') expect(reply.result).toBe('go')
            if (machine.phase.state === 'half-open') {
              if (machine.epoch !== before.epoch) {
                round = { epoch: machine.epoch, grants: 0, returned: 0, ok: 0, overdue: 0 }
              }
              if (before.phase.state === 'open' && !adopted) {
                expect(now).toBeGreaterThanOrEqual(before.phase.until)
              }
              // asking, not renewing, clears away what has expired
              if (kind === 'acquire') round.returned += expired
              const held = leases.get(token)
              const live = [...leases.values()].filter((lease) => lease.expiresAt > now)
              if (reply.result === 'granted' && (held === undefined || held.expiresAt <= now)) {
                round.grants += 1
                const overdue = live.filter((lease) => lease.grantedAt + own.leaseMs <= now).length
                round.overdue = Math.max(round.overdue, overdue)
              } else if (reply.result === 'denied') {
                for (const lease of machine.phase.leases) {
                  if (leases.has(lease.token)) expect(lease).toEqual(leases.get(lease.token))
                }
              }
              expect(round.grants).toBeLessThanOrEqual(
                own.halfOpenMaxAttempts + round.returned + round.overdue,
              )
            }
          }
          if (machine.epoch !== before.epoch && !adopted) expect(machine.epoch).toBeGreaterThan(highest)
          highest = Math.max(highest, machine.epoch)
          if (machine.phase.state === 'half-open') {
            const live = machine.phase.leases.filter((lease) => lease.expiresAt > now).length
            expect(live).toBeLessThanOrEqual(own.halfOpenMaxAttempts)
            expect(machine.phase.successes).toBeLessThan(own.halfOpenMaxAttempts)
          }
          const closedByProbes =
            kind === 'report' &&
            before.phase.state === 'half-open' &&
            machine.phase.state === 'closed' &&
            !adopted
          if (closedByProbes) expect(successesBefore + 1).toBe(own.halfOpenMaxAttempts)
          expect(machine.reporters.length).toBeLessThanOrEqual(64)
          views.push(viewOf(machine, now))
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
