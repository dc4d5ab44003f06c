import type { Probe } from '../../circuit/admission.ts'
import type { Circuit } from '../../circuit/circuit.ts'
import { type CircuitBreakerOptions, resolveCircuitBreakerOptions } from '../../circuit/options.ts'
import type { CircuitStore, CircuitStoreChange } from '../../circuit/store.ts'
import { eventually } from './eventually.ts'
import { expect } from './expect.ts'
import { patient, type TestRunner } from './runner.ts'

/** A store of circuits to be tested. */
export interface CircuitStoreFixture {
  readonly store: CircuitStore
  /** The store as another process has it; the same one where nothing is shared. */
  readonly other: CircuitStore
  /** Closes both, which a test may have closed already, and takes away what they have written. */
  dispose(): Promise<void>
}

const policyOf = (options: CircuitBreakerOptions = {}) =>
  resolveCircuitBreakerOptions({ failureThreshold: 3, timeoutMs: 100, ...options }).policy

let keys = 0

/**
 * What every `CircuitStore` must do.
 * @param name of the store, in the names of the tests
 * @param make makes a store for each test; `other` is over the same server where processes share it
 */
export function circuitStoreContract(
  runner: TestRunner,
  name: string,
  make: (options?: { maxCircuits?: number }) => Promise<CircuitStoreFixture>,
): void {
  const { describe, it, beforeEach, afterEach } = patient(runner)
  describe(`circuit store contract: ${name}`, () => {
    let fixture: CircuitStoreFixture
    let key: string
    const now = (): number => performance.now()
    const states = (): string[] => [fixture.store, fixture.other].map((store) => store.state(key).state)
    const listed = () => fixture.store.list().filter((snapshot) => snapshot.key === key)
    const both = (options?: CircuitBreakerOptions): [Circuit, Circuit] => {
      const policy = policyOf(options)
      return [fixture.store.circuit(key, policy), fixture.other.circuit(key, policy)]
    }
    const fail = (circuit: Circuit, times: number): void => {
      for (let index = 0; index < times; index++) circuit.failed(circuit.generation, 1, 0)
    }
    const opened = async (options?: CircuitBreakerOptions): Promise<[Circuit, Circuit]> => {
      const circuits = both(options)
      fail(circuits[0], 3)
      await eventually(() => expect(states()).toEqual(['open', 'open']))
      return circuits
    }
    /** Asks until a probe is granted: a shared store may need to hear first that a slot is free. */
    const probe = (circuit: Circuit): Promise<Probe> =>
      eventually(async () => {
        const admission = await circuit.admit(now())
        if (admission.kind !== 'probe') throw new Error('not admitted')
        return admission
      })

    beforeEach(async () => {
      fixture = await make()
      key = `https://contract-${++keys}.test`
    })
    afterEach(() => fixture.dispose())

    it('gives one circuit per key', () => {
      const policy = policyOf()
      expect(fixture.store.circuit(key, policy)).toBe(fixture.store.circuit(key, policy))
      expect(fixture.store.circuit(`${key}/other`, policy)).not.toBe(fixture.store.circuit(key, policy))
    })

    it('tells the state of a key that was never used, without making a circuit', () => {
      expect(fixture.store.state(key)).toEqual({
        key,
        state: 'closed',
        failures: 0,
        requests: 0,
        epoch: 0,
        degraded: false,
      })
      expect(listed()).toEqual([])
    })

    it('opens for all at the threshold, and then refuses without a promise', async () => {
      const [circuit, other] = both({ failureRate: 0, timeoutMs: 30_000 })
      fail(circuit, 2)
      circuit.succeeded(circuit.generation)
      expect(circuit.passing).toBe(true)
      fail(circuit, 1)
      await eventually(() => expect(states()).toEqual(['open', 'open']))
      const refusal = other.admit(now())
      expect((refusal as { retryAfterMs?: unknown }).retryAfterMs).toBeGreaterThan(0)
      expect(listed()).toMatchObject([{ key, state: 'open', degraded: false }])
      expect(fixture.store.state(key).retryAfterMs).toBeGreaterThan(0)
    })

    it('lets as many probes through as allowed over all, and closes for all when they succeed', async () => {
      const [circuit, other] = await opened({ halfOpenMaxAttempts: 2 })
      const probes = [await probe(circuit), await probe(other)]
      const more = await Promise.all([circuit.admit(now()), other.admit(now())])
      expect(more.map(({ kind }) => kind)).toEqual(['refused', 'refused'])
      circuit.report(probes[0]!, 'ok')
      other.report(probes[1]!, 'ok')
      await eventually(() => expect(states()).toEqual(['closed', 'closed']))
      expect([circuit.passing, other.passing]).toEqual([true, true])
    })

    it('opens for all when a probe fails, for twice as long', async () => {
      const [circuit] = await opened({ timeoutMs: 1_500 })
      circuit.report(await probe(circuit), 'fail')
      // the other may hold the first opening still: it is the second only when it lasts for longer
      await eventually(() => {
        for (const store of [fixture.store, fixture.other]) {
          expect(store.state(key).state).toBe('open')
          expect(store.state(key).retryAfterMs).toBeGreaterThan(1_500)
        }
      })
    })

    it('a void probe changes nothing and gives its slot back', async () => {
      const [circuit, other] = await opened({ halfOpenMaxAttempts: 1 })
      const first = await probe(circuit)
      const { epoch } = fixture.store.state(key)
      circuit.report(first, 'void')
      const next = await probe(other)
      expect(fixture.store.state(key)).toMatchObject({ state: 'half-open', epoch })
      other.report(next, 'ok')
      await eventually(() => expect(states()).toEqual(['closed', 'closed']))
    })

    it('results of attempts from before a transition count nothing', async () => {
      const [circuit] = both()
      const { generation } = circuit
      fail(circuit, 3)
      await eventually(() => expect(states()).toEqual(['open', 'open']))
      await fixture.store.reset(key)
      for (let index = 0; index < 5; index++) circuit.failed(generation, 1, 0)
      await fixture.store.flush()
      expect(fixture.store.state(key)).toMatchObject({ state: 'closed', failures: 0 })
    })

    it('isolate, forceClose and reset hold here at once and for all soon', async () => {
      const [circuit, other] = both()
      await fixture.store.isolate(key)
      expect(circuit.admit(now())).toMatchObject({ retryAfterMs: 100 })
      await eventually(() => expect(other.passing).toBe(false))
      expect(fixture.other.state(key)).toMatchObject({ state: 'open', override: 'isolated' })
      await fixture.other.forceClose(key)
      expect(other.passing).toBe(true)
      fail(other, 10)
      await fixture.other.flush()
      await eventually(() =>
        expect(fixture.store.state(key)).toMatchObject({ state: 'closed', override: 'forced-closed' }),
      )
      await fixture.store.reset(key)
      await eventually(() => expect(fixture.other.state(key).override).toBeUndefined())
      expect(states()).toEqual(['closed', 'closed'])
    })

    it('an operator may speak of a key that no breaker has used, and the breaker then obeys', async () => {
      await fixture.store.isolate(key)
      const circuit = fixture.other.circuit(key, policyOf())
      await eventually(() => expect(circuit.passing).toBe(false))
      await fixture.store.reset(key)
      await eventually(() => expect(circuit.passing).toBe(true))
      fail(circuit, 3)
      await eventually(() => expect(circuit.passing).toBe(false))
    })

    it('what an operator does to an origin holds for the circuits of all credentials there, also for those that come', async () => {
      const policy = policyOf()
      const names = [`${key}#a`, `${key}#b`, `${key}#c`] as const
      const known = fixture.store.circuit(names[0], policy)
      const theirs = fixture.other.circuit(names[1], policy)
      await fixture.store.isolate(key)
      expect(known.admit(now())).toMatchObject({ kind: 'refused' })
      expect(fixture.store.state(names[0])).toMatchObject({ state: 'open', override: 'isolated' })
      await eventually(() => expect(theirs.passing).toBe(false))
      const late = fixture.other.circuit(names[2], policy)
      await eventually(() => expect(late.passing).toBe(false))
      await fixture.other.reset(names[2])
      expect(late.passing).toBe(false)
      await fixture.store.reset(key)
      await eventually(() =>
        expect([known, theirs, late].map(({ passing }) => passing)).toEqual([true, true, true]),
      )
      fail(late, 3)
      await eventually(() => expect(late.passing).toBe(false))
      expect(known.passing).toBe(true)
      await fixture.store.forceClose(key)
      await eventually(() => expect(late.passing).toBe(true))
      await fixture.store.isolate(names[0])
      expect([known.passing, fixture.store.state(names[0]).override]).toEqual([false, 'isolated'])
      await fixture.store.reset(key)
      await eventually(() =>
        expect([known, theirs, late].map(({ passing }) => passing)).toEqual([true, true, true]),
      )
    })

    it('takes an origin in another spelling, and no url or host of which calls use the origin', async () => {
      const [circuit] = both()
      await fixture.store.isolate(`${key.toUpperCase()}:443/`)
      expect(circuit.passing).toBe(false)
      expect(fixture.store.state(`${key}/`)).toMatchObject({ key, override: 'isolated' })
      for (const other of [`${key}/v1`, new URL(key).host]) {
        let refused: unknown
        await fixture.store.reset(other).catch((error: unknown) => void (refused = error))
        expect(String(refused)).toContain(`did you mean ${key}?`)
      }
      expect(circuit.passing).toBe(false)
      let nothing: unknown
      await fixture.store.reset(undefined as never).catch((error: unknown) => void (nothing = error))
      expect(String(nothing)).toContain('`key` must be a non-empty string, got undefined')
      // a circuit that a hook has named so
      const named = fixture.store.circuit(`${key}/v1`, policyOf())
      await fixture.store.isolate(`${key}/v1`)
      expect(named.passing).toBe(false)
    })

    it('tells each transition once per process, `here` in the one that made it', async () => {
      const told: CircuitStoreChange[][] = [[], []]
      const stores = [fixture.store, fixture.other]
      const stops = stores.map((store, at) => store.onChange((change) => void told[at]!.push(change)))
      const [circuit] = await opened({ halfOpenMaxAttempts: 1 })
      circuit.report(await probe(circuit), 'ok')
      await eventually(() => expect(states()).toEqual(['closed', 'closed']))
      for (const stop of stops) stop()
      await fixture.store.reset(key)
      const paths = told.map((changes) =>
        changes.map(({ type, event }) =>
          type === 'circuit' ? `${event.from} ${event.to} ${event.here}` : type,
        ),
      )
      const steps = ['closed open', 'open half-open', 'half-open closed']
      const shared = fixture.store !== fixture.other
      expect(paths[0]).toEqual(steps.map((step) => `${step} true`))
      expect(paths[1]).toEqual(steps.map((step) => `${step} ${!shared}`))
    })

    it('keeps at most `maxCircuits` of them', async () => {
      const small = await make({ maxCircuits: 2 })
      const policy = policyOf()
      for (const suffix of ['a', 'b', 'c', 'd']) small.store.circuit(`${key}/${suffix}`, policy)
      expect(small.store.list()).toHaveLength(2)
      await small.dispose()
    })

    it('lists no origin that only stands above others, and keeps one as long as there are some', async () => {
      const small = await make({ maxCircuits: 2 })
      const policy = policyOf()
      const first = small.store.circuit(`${key}#0`, policy)
      small.store.circuit(`${key}#1`, policy)
      const last = small.store.circuit(`${key}#2`, policy)
      expect(small.store.list().filter((one) => one.key === key)).toEqual([])
      await small.store.isolate(key)
      expect(last.passing).toBe(false)
      expect(first.evicted).toBe(true)
      await small.dispose()
    })

    it('after close circuits go on in this process alone, and closing twice is allowed', async () => {
      const [circuit] = both()
      await fixture.store.close()
      await fixture.store.close()
      fail(circuit, 3)
      expect(circuit.passing).toBe(false)
      expect(circuit.admit(now())).toMatchObject({ kind: 'refused' })
      await fixture.store.reset(key)
      expect(circuit.passing).toBe(true)
    })
  })
}
