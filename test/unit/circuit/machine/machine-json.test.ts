import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { machineFromJson, machineToJson } from '../../../../src/circuit/machine/machine-json.ts'
import { acquire, control, flush, report } from '../../../../src/circuit/machine/machine.ts'
import type { CircuitPolicy } from '../../../../src/circuit/machine/policy.ts'
import {
  createMachine,
  type Machine,
  type Step,
  unknownView,
  type View,
  viewOf,
} from '../../../../src/circuit/machine/state.ts'

const policy: CircuitPolicy = {
  failureThreshold: 3,
  failureRate: 0.5,
  minimumRequests: 3,
  windowMs: 1_000,
  timeoutMs: 500,
  maxTimeoutMs: 2_000,
  halfOpenMaxAttempts: 2,
  slowCallMs: 100,
  slowCallRate: 0.5,
  quorum: 1,
  probeTimeoutMs: 60_000,
  leaseMs: 300,
  maxWaitMs: 0,
  maxWaiting: 0,
}
const start = 1_700_000_000_000

const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('flush'),
      failed: fc.nat(3),
      slow: fc.nat(1),
      total: fc.nat(6),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('acquire'), token: fc.nat(3), renew: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('report'),
      token: fc.nat(3),
      result: fc.constantFrom('ok', 'ok', 'fail', 'void'),
    }),
  },
  fc.record({ kind: fc.constant('control'), action: fc.constantFrom('isolate', 'force-close', 'reset') }),
)
type Operation =
  | { kind: 'flush'; total: number; failed: number; slow: number }
  | { kind: 'acquire'; token: number; renew: boolean }
  | { kind: 'report'; token: number; result: 'ok' | 'fail' | 'void' }
  | { kind: 'control'; action: 'isolate' | 'force-close' | 'reset' }

const traces = fc.record({
  /** Two processes may have different options for one key. */
  policies: fc.tuple(
    fc.record({ quorum: fc.integer({ min: 1, max: 3 }), windowMs: fc.constantFrom(100, 995, 1_000) }),
    fc.record({
      quorum: fc.integer({ min: 1, max: 3 }),
      halfOpenMaxAttempts: fc.integer({ min: 1, max: 3 }),
    }),
  ),
  steps: fc.array(
    fc.record({
      // the clock may step back
      wait: fc.oneof(fc.constant(0), fc.nat(60), fc.nat(900), fc.constant(-400)),
      by: fc.nat(4),
      /** How many views ago the caller last heard of the circuit. */
      age: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(4)),
      operation,
    }),
    { maxLength: 60 },
  ),
})

function run(machine: Machine, step: Step, asked: Operation): object {
  switch (asked.kind) {
    case 'flush':
      return flush(machine, step, { ...asked, total: Math.max(asked.total, asked.failed, asked.slow) })
    case 'acquire':
      return acquire(machine, step, `t${asked.token}`, asked.renew)
    case 'report':
      return report(machine, step, `t${asked.token}`, asked.result)
    case 'control':
      return control(machine, step, asked.action)
  }
}

/** Each step on a machine; `before` may exchange it for another one. */
function replies(
  { policies, steps }: typeof traces extends fc.Arbitrary<infer T> ? T : never,
  before: (machine: Machine, policy: CircuitPolicy) => Machine,
): object[] {
  let machine = createMachine(policy)
  let now = start
  const views: View[] = [unknownView]
  return steps.map(({ wait, by, age, operation: asked }) => {
    now += wait
    const step: Step = {
      policy: { ...policy, ...policies[by % 2] },
      now,
      by: `p${by}`,
      view: views.at(-1 - age) ?? unknownView,
    }
    machine = before(machine, step.policy)
    const reply = run(machine, step, asked as Operation)
    views.push(viewOf(machine, now))
    return reply
  })
}

function reread(machine: Machine, own: CircuitPolicy): Machine {
  const text = machineToJson(machine)
  const read = machineFromJson(text, own)
  if (read === undefined) throw new Error(`refused ${text}`)
  expect(machineToJson(read)).toBe(text)
  return read
}

test('any trace gives the same replies whether or not the state is written and read back before each step', () => {
  fc.assert(
    fc.property(traces, (trace) => {
      expect(replies(trace, reread)).toEqual(replies(trace, (machine) => machine))
    }),
    { numRuns: 500 },
  )
})

describe('damaged data', () => {
  const halfOpen = (): Machine => {
    const machine = createMachine({ ...policy, quorum: 2 })
    const step = (now: number): Step => ({ policy, now, by: 'p1', view: viewOf(machine, now) })
    control(machine, step(start), 'reset')
    flush(machine, step(start), { total: 3, failed: 3, slow: 0 })
    acquire(machine, step(start + 500), 'first', false)
    acquire(machine, step(start + 500), 'second', false)
    return machine
  }
  const closed = (): Machine => {
    const machine = createMachine(policy)
    const step = (by: string): Step => ({
      policy: { ...policy, quorum: 3 },
      now: start,
      by,
      view: viewOf(machine, start),
    })
    control(machine, step('p1'), 'reset')
    flush(machine, step('p1'), { total: 9, failed: 1, slow: 0 })
    flush(machine, step('p2'), { total: 9, failed: 1, slow: 0 })
    return machine
  }
  const damaged = (machine: Machine, change: (stored: Record<string, unknown>) => void): string => {
    const stored = JSON.parse(machineToJson(machine)) as Record<string, unknown>
    change(stored)
    return JSON.stringify(stored)
  }

  test.each([
    ['no JSON', '{'],
    ['another value', '[1]'],
    ['nothing', 'null'],
    ['no epoch', damaged(closed(), (stored) => delete stored['epoch'])],
    ['an epoch that is no integer', damaged(closed(), (stored) => Object.assign(stored, { epoch: 1.5 }))],
    ['a negative epoch', damaged(closed(), (stored) => Object.assign(stored, { epoch: -1 }))],
    ['an unknown state', damaged(closed(), (stored) => Object.assign(stored, { phase: { state: 'ajar' } }))],
    [
      'open without an end',
      damaged(closed(), (stored) => Object.assign(stored, { phase: { state: 'open' } })),
    ],
    ['an unknown override', damaged(closed(), (stored) => Object.assign(stored, { override: 'maybe' }))],
  ])('%s is no machine', (_what, text) => {
    expect(machineFromJson(text, policy)).toBeUndefined()
  })

  test('a lease, a reporter and a slot that cannot be read are left out alone', () => {
    const leases = machineFromJson(
      damaged(halfOpen(), (stored) => {
        const { leases: list } = stored['phase'] as { leases: unknown[] }
        list.unshift(null, { token: 7, grantedAt: 1, expiresAt: 2 }, { token: 'x', grantedAt: 'y' }, 'lease')
      }),
      policy,
    )
    expect(leases).toEqual(halfOpen())
    const counts = machineFromJson(
      damaged(closed(), (stored) => {
        ;(stored['reporters'] as unknown[]).push({ by: 'p3' }, 7, { at: 1 })
        ;(stored['window'] as unknown[]).unshift(
          [1, 2],
          'slot',
          [1, 2, 3, 'x'],
          [-1, 0, 0, 0],
          [1.5, 1, 1, 1],
        )
      }),
      policy,
    )
    expect(counts?.reporters).toEqual(closed().reporters)
    expect(counts?.window.slots).toEqual(closed().window.slots)
  })

  test('whatever is put in place of any part, a machine comes of it that works, or none', () => {
    const junk = fc.oneof(fc.jsonValue(), fc.constantFrom(null, -1, 1e300, '', [], {}, [[]], true))
    fc.assert(
      fc.property(fc.constantFrom(halfOpen(), closed()), fc.nat(), junk, (machine, where, value) => {
        const stored = JSON.parse(machineToJson(machine)) as object
        const places = placesIn(stored)
        const [parent, name] = places[where % places.length]!
        parent[name] = value
        const read = machineFromJson(JSON.stringify(stored), policy)
        if (read === undefined) return
        const step: Step = { policy, now: start + 900, by: 'p9', view: unknownView }
        for (const reply of [
          flush(read, step, { total: 1, failed: 1, slow: 0 }),
          acquire(read, step, 'other', false),
          report(read, step, 'other', 'ok'),
          control(read, step, 'reset'),
        ]) {
          expect(reply.view.remainingMs).toBeLessThanOrEqual(policy.maxTimeoutMs)
          expect(reply.view.trips).toBeLessThanOrEqual(1_000)
        }
        expect(read.phase).toEqual({ state: 'closed' })
      }),
    )
  })
})

type Parent = Record<string, unknown>

/** Every place of a value where something else could stand. */
function placesIn(value: object): [Parent, string][] {
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) => [
    [value as Parent, name] as [Parent, string],
    ...(typeof part === 'object' && part !== null ? placesIn(part) : []),
  ])
}
