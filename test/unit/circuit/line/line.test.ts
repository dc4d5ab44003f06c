import { beforeEach, describe, expect, test } from 'vitest'
import type { Granted } from '../../../../src/circuit/admission.ts'
import type { Circuit } from '../../../../src/circuit/circuit.ts'
import { localCircuits } from '../../../../src/circuit/local-circuits.ts'
import { type CircuitBreakerOptions, resolveCircuitBreakerOptions } from '../../../../src/circuit/options.ts'
import { VirtualClock } from '../../../support/simulation/virtual-clock.ts'

let clock: VirtualClock
beforeEach(() => void (clock = new VirtualClock()))

/** A circuit on a clock of its own, and calls that come to it. */
function setUp(options: CircuitBreakerOptions = {}) {
  const store = localCircuits(10, clock)
  const { policy } = resolveCircuitBreakerOptions(options)
  const circuit = store.circuit('k', policy)
  const log: string[] = []
  const went = new Map<string, Granted>()
  const at = (what: string): void => void log.push(`${what} @${Math.round(clock.now())}`)
  /** A call asks as it would: where it is refused it waits in line, or is refused for good. */
  const call = (name: string, owner: object = {}, deadline = Infinity): (() => void) | undefined => {
    const goes = (granted: Granted): void => {
      went.set(name, granted)
      at(`${name} goes${granted.kind === 'probe' ? ' as a probe' : ''}`)
    }
    const admission = circuit.admit(clock.now())
    if (admission instanceof Promise) throw new Error('a local circuit answers at once')
    if (admission.kind !== 'refused') {
      goes(admission)
      return undefined
    }
    const refused = ({ retryAfterMs }: { retryAfterMs: number }): void =>
      at(`${name} refused for ${retryAfterMs}`)
    const leave = circuit.line.join({ call: owner, deadline, goes, refused }, admission)
    if (leave === undefined) refused(admission)
    return leave
  }
  const answer = (name: string, result: 'ok' | 'fail' | 'void'): void => {
    const granted = went.get(name)
    if (granted?.kind !== 'probe') throw new Error(`${name} is no probe`)
    circuit.report(granted, result)
  }
  return { store, circuit, call, answer, log, trip: () => trip(circuit) }
}

function trip(circuit: Circuit): void {
  for (let failed = 0; circuit.passing; failed++) circuit.failed(circuit.generation, 1, 0)
}

describe('an open circuit', () => {
  test('lets the oldest ask for probes when its time is up, and the rest when it has closed', async () => {
    const { call, answer, log, trip } = setUp()
    trip()
    for (const name of ['a', 'b', 'c', 'd']) {
      call(name)
      await clock.advance(10)
    }
    await clock.advance(961)
    expect(log).toEqual(['a goes as a probe @1001', 'b goes as a probe @1001'])
    answer('a', 'ok')
    await clock.advance(5)
    expect(log).toHaveLength(2)
    answer('b', 'ok')
    await clock.advance(100)
    // c has waited 986 ms by then, and d goes as long after it came
    expect(log.slice(2)).toEqual(['c goes @1006', 'd goes @1016'])
    expect(clock.pending).toBe(0)
  })

  test('k calls that came over D ms go over D ms, in order', async () => {
    const { call, answer, log, trip } = setUp({ halfOpenMaxAttempts: 1 })
    trip()
    call('probe')
    const came: number[] = []
    for (let nth = 0; nth < 100; nth++) {
      await clock.advance(nth % 3 === 0 ? 0 : 12)
      came.push(clock.now())
      call(String(nth))
    }
    await clock.advance(1_001 - clock.now())
    expect(log).toEqual(['probe goes as a probe @1001'])
    await clock.advance(29)
    answer('probe', 'ok')
    await clock.advance(2_000)
    const gone = log.slice(1).map((line) => /^(\d+) goes @(\d+)$/.exec(line)!)
    expect(gone.map(([, nth]) => Number(nth))).toEqual(Array.from({ length: 100 }, (_one, nth) => nth))
    expect(gone.map(([, , at]) => Number(at) - 1_030)).toEqual(came.map((at) => at - came[0]!))
  })

  test('a call that may not wait is refused at once', async () => {
    const { circuit, call, log, trip } = setUp({ maxWaiting: 2 })
    trip()
    for (const name of ['a', 'b', 'c']) call(name)
    expect(log).toEqual(['c refused for 1000 @0'])
    expect(circuit.line.waiting).toBe(2)
    await clock.advance(400)
    call('short of time', {}, clock.now() + 500)
    expect(log.at(-1)).toBe('short of time refused for 600 @400')
  })

  test('at the fourth opening in a row nobody waits', async () => {
    const { circuit, call, answer, log, trip } = setUp()
    trip()
    for (const [nth, openMs] of [1_000, 2_000, 4_000].entries()) {
      expect(circuit.snapshot().retryAfterMs).toBe(openMs)
      const name = `probe ${nth}`
      call(name)
      expect(circuit.line.waiting).toBe(1)
      await clock.advance(openMs + 1)
      answer(name, 'fail')
    }
    call('late')
    expect(log.at(-1)).toBe(`late refused for 8000 @${clock.now()}`)
    expect(circuit.line.waiting).toBe(0)
    await clock.advance(10)
    expect(clock.pending).toBe(0)
  })
})

describe('opened again', () => {
  test('refuses at once those who cannot wait for its new end, and keeps the others', async () => {
    const { call, answer, log, trip } = setUp({ halfOpenMaxAttempts: 1 })
    trip()
    call('probe')
    call('short', {}, 1_500)
    call('long')
    await clock.advance(1_001)
    answer('probe', 'fail')
    await clock.advance(1)
    expect(log).toEqual(['probe goes as a probe @1001', 'short refused for 2000 @1001'])
    await clock.advance(2_000)
    expect(log.at(-1)).toBe('long goes as a probe @3002')
  })

  test('refuses all when the new opening is longer than any may wait', async () => {
    const { call, answer, log, trip } = setUp({ halfOpenMaxAttempts: 1, timeoutMs: 3_000 })
    trip()
    for (const name of ['probe', 'a', 'b']) call(name)
    await clock.advance(3_001)
    answer('probe', 'fail')
    await clock.advance(1)
    expect(log.slice(1)).toEqual(['a refused for 6000 @3001', 'b refused for 6000 @3001'])
    expect(clock.pending).toBe(0)
  })

  test('while those who waited go, it holds the rest again', async () => {
    const { circuit, call, answer, log, trip } = setUp({ halfOpenMaxAttempts: 1 })
    trip()
    call('probe')
    for (const name of ['a', 'b', 'c']) {
      call(name)
      await clock.advance(200)
    }
    await clock.advance(401)
    answer('probe', 'ok')
    await clock.advance(50)
    expect(log.slice(1)).toEqual(['a goes @1001'])
    trip()
    expect(circuit.snapshot()).toMatchObject({ state: 'open', retryAfterMs: 2_000 })
    await clock.advance(2_001)
    expect(log.slice(2)).toEqual(['b goes as a probe @3052'])
    answer('b', 'ok')
    await clock.advance(0)
    expect(log.slice(3)).toEqual(['c goes @3052'])
  })
})

describe('half-open', () => {
  test('each probe that succeeds and does not close, and each that is cancelled, wakes one more', async () => {
    const { circuit, call, answer, log, trip } = setUp({ halfOpenMaxAttempts: 3 })
    trip()
    call('first')
    await clock.advance(1_001)
    call('second')
    call('third')
    expect(log).toHaveLength(3)
    for (const name of ['d', 'e', 'f']) call(name)
    expect(circuit.line.waiting).toBe(3)
    answer('first', 'void')
    await clock.advance(1)
    expect(log.slice(3)).toEqual(['d goes as a probe @1001'])
    for (const name of ['second', 'third']) answer(name, 'ok')
    await clock.advance(1)
    // three successes are all it takes, and the third is under way
    expect(log.slice(4)).toEqual([])
    answer('d', 'ok')
    await clock.advance(1)
    expect(log.slice(4)).toEqual(['e goes @1003', 'f goes @1003'])
  })

  test('never more attempts in flight than `halfOpenMaxAttempts` between opening and closing', async () => {
    const { circuit, call, answer, log, trip } = setUp({ halfOpenMaxAttempts: 2 })
    trip()
    let inFlight = 0
    let most = 0
    let seen = 0
    for (let ms = 0; ms < 5_000; ms += 7) {
      call(`c${ms}`)
      await clock.advance(7)
      const begun = log.slice(seen).filter((line) => line.includes('as a probe'))
      seen = log.length
      inFlight += begun.length
      most = Math.max(most, inFlight)
      for (const line of begun) {
        clock.after(40, () => {
          inFlight -= 1
          answer(line.split(' ')[0]!, ms < 2_000 ? 'fail' : 'ok')
        })
      }
      if (circuit.passing) break
      expect(log.some((line) => line.includes('goes @'))).toBe(false)
    }
    expect(circuit.passing).toBe(true)
    expect(most).toBe(2)
  })
})

describe('the end of a wait', () => {
  test('a call is held no longer than `maxWaitMs` in all, over its attempts', async () => {
    const { circuit, call, answer, log, trip } = setUp({ halfOpenMaxAttempts: 1, maxWaitMs: 2_000 })
    trip()
    const owner = {}
    call('first', owner)
    await clock.advance(1_001)
    answer('first', 'fail')
    expect(circuit.snapshot().retryAfterMs).toBe(2_000)
    // it has waited 1,001 ms of 2,000
    call('again', owner)
    expect(log.at(-1)).toBe('again refused for 2000 @1001')
    call('another')
    expect(circuit.line.waiting).toBe(1)
  })

  test('a call whose time is over is refused, with what is left of the opening', async () => {
    const { call, log, trip } = setUp({ halfOpenMaxAttempts: 1 })
    trip()
    call('probe')
    await clock.advance(1_001)
    call('a')
    await clock.advance(300)
    call('b', {}, clock.now() + 500)
    await clock.advance(500)
    // the slot of the probe is kept for ten seconds
    expect(log.slice(1)).toEqual(['b refused for 9200 @1801'])
    await clock.advance(4_200)
    expect(log.slice(2)).toEqual(['a refused for 5000 @6001'])
  })

  test('a call that leaves takes its time with it, and the last leaves no timer', async () => {
    const { call, log, trip } = setUp()
    trip()
    const leave = call('a')
    await clock.advance(500)
    leave!()
    leave!()
    expect(clock.pending).toBe(0)
    await clock.advance(5_000)
    expect(log).toEqual([])
  })

  test('isolating refuses all and leaves no timer, forcing closed lets all go', async () => {
    const isolated = setUp()
    isolated.trip()
    for (const name of ['a', 'b']) isolated.call(name)
    await isolated.store.isolate('k')
    await clock.advance(1)
    expect(isolated.log).toEqual(['a refused for 1000 @0', 'b refused for 1000 @0'])
    expect(clock.pending).toBe(0)
    const forced = setUp()
    forced.trip()
    for (const name of ['a', 'b']) forced.call(name)
    await forced.store.forceClose('k')
    await clock.advance(1)
    expect(forced.log).toEqual(['a goes @1', 'b goes @1'])
  })

  test('a caller whose handler throws keeps the others from nothing', async () => {
    const { circuit, call, log, store, trip } = setUp()
    trip()
    const thrower = {
      call: {},
      deadline: Infinity,
      goes: () => undefined,
      refused: () => {
        throw new Error('of a handler')
      },
    }
    circuit.line.join(thrower, { kind: 'refused', retryAfterMs: 1_000 })
    call('a')
    await store.isolate('k')
    await expect(clock.advance(1)).rejects.toThrow('of a handler')
    await clock.advance(1)
    expect(log).toEqual(['a refused for 1000 @0'])
  })
})

test('an outage of 300 s: calls succeed within 30 s and a round of probes of its end', async () => {
  const { circuit, call, answer, log } = setUp()
  let up = false
  let seen = 0
  const next = (nth: number): void => {
    if (circuit.passing) {
      if (up) log.push(`served @${clock.now()}`)
      else circuit.failed(circuit.generation, 1, 0)
    } else call(`c${nth}`)
    for (const line of log.slice(seen)) {
      if (!line.includes('as a probe')) continue
      const name = line.split(' ')[0]!
      clock.after(20, () => answer(name, up ? 'ok' : 'fail'))
    }
    seen = log.length
  }
  for (let nth = 0; clock.now() < 300_000; nth++) {
    next(nth)
    await clock.advance(100)
  }
  expect(circuit.passing).toBe(false)
  up = true
  for (let nth = 10_000; !log.some((line) => line.startsWith('served')); nth++) {
    next(nth)
    await clock.advance(100)
    expect(clock.now()).toBeLessThan(331_000)
  }
})
