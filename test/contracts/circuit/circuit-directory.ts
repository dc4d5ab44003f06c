import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { resolveCircuitBreakerOptions } from '../../../src/circuit/options.ts'
import type { CircuitDirectory, StoredCircuit } from '../../../src/circuit/shared/directory.ts'
import type { CircuitStore, SharedCircuitStore } from '../../../src/circuit/store.ts'

interface CircuitDirectoryFixture {
  readonly store: SharedCircuitStore
  /** The store as another process has it. */
  readonly other: CircuitStore
  dispose(): Promise<void>
}

const { policy } = resolveCircuitBreakerOptions({ failureThreshold: 3 })
const soon = { interval: 2, timeout: 10_000 }

let keys = 0

/** What every implementation of the `CircuitDirectory` port must do. */
export function circuitDirectoryContract(name: string, make: () => Promise<CircuitDirectoryFixture>): void {
  describe(`circuit directory contract: ${name}`, () => {
    let fixture: CircuitDirectoryFixture
    let directory: CircuitDirectory
    let key: string
    const isOurs = (circuit: StoredCircuit): boolean => circuit.key.startsWith(key)

    beforeEach(async () => {
      fixture = await make()
      directory = fixture.store.directory
      key = `https://directory-${++keys}.test`
    })
    afterEach(() => fixture.dispose())

    /** Opens a circuit in the other process, and waits until the store has it. */
    const trip = async (of = key): Promise<void> => {
      const circuit = fixture.other.circuit(of, policy)
      for (let times = 0; times < 3; times++) circuit.failed(circuit.generation, 1, 0)
      await vi.waitFor(
        () => expect(fixture.other.state(of)).toMatchObject({ state: 'open', degraded: false }),
        soon,
      )
    }

    test('lists the circuits of all processes by key, and finds each', async () => {
      const before = Date.now()
      await trip(`${key}/b`)
      await fixture.store.forceClose(`${key}/a`)
      const ours = (await directory.list()).filter(isOurs)
      expect(ours).toEqual([
        {
          key: `${key}/a`,
          state: 'closed',
          override: 'forced-closed',
          retryAfterMs: 0,
          trips: 0,
          since: expect.any(Number) as unknown,
          by: expect.stringMatching(/./) as unknown,
        },
        expect.objectContaining({ key: `${key}/b`, state: 'open', override: undefined, trips: 1 }),
      ])
      expect(ours[1]!.retryAfterMs).toBeGreaterThan(policy.timeoutMs / 2)
      expect(ours[1]!.by).not.toBe(ours[0]!.by)
      expect(Math.abs(ours[1]!.since - before)).toBeLessThan(60_000)
      expect(await directory.find(`${key}/a`)).toEqual(ours[0])
    })

    test('does not find a key that nobody has used', async () => {
      expect(await directory.find(key)).toBeUndefined()
      expect((await directory.list()).filter(isOurs)).toEqual([])
    })

    test('overrules a circuit in every process, and in those that use it later', async () => {
      const circuit = fixture.other.circuit(key, policy)
      expect(await directory.overrule(key, 'isolate')).toMatchObject({
        key,
        state: 'open',
        override: 'isolated',
      })
      await vi.waitFor(() => expect(circuit.passing).toBe(false), soon)
      const late = fixture.store.circuit(key, policy)
      await vi.waitFor(() => expect(late.passing).toBe(false), soon)
      const forced = await directory.overrule(key, 'force-close')
      expect(forced).toMatchObject({ state: 'closed', override: 'forced-closed' })
      expect(await directory.find(key)).toEqual(forced)
      expect(await directory.overrule(key, 'reset')).toMatchObject({ state: 'closed', override: undefined })
      await vi.waitFor(() => expect([circuit.passing, late.passing]).toEqual([true, true]), soon)
    })

    test('does not lengthen or shorten the time of an open circuit that it looks at', async () => {
      await trip()
      const [first, second] = [await directory.find(key), (await directory.list()).find(isOurs)]
      expect(second!.retryAfterMs).toBeLessThanOrEqual(first!.retryAfterMs)
      expect(fixture.other.state(key).epoch).toBeGreaterThan(0)
      expect(second!.since).toBe(first!.since)
    })

    test('tells a watcher of every change, whoever makes it and in their order, until the watch is ended', async () => {
      const told: string[] = []
      const end = await directory.watch({
        changed: (circuit) => isOurs(circuit) && told.push(circuit.override ?? circuit.state),
        lost: (error) => told.push(error.message),
      })
      await trip()
      await directory.overrule(key, 'isolate')
      await fixture.store.forceClose(key)
      await fixture.other.reset(key)
      // the first view of a circuit is one too
      await vi.waitFor(
        () => expect(told).toEqual(['closed', 'open', 'isolated', 'forced-closed', 'closed']),
        soon,
      )
      end()
      const later: string[] = []
      const endLater = await directory.watch({
        changed: (circuit) => later.push(circuit.key),
        lost: (error) => later.push(error.message),
      })
      await directory.overrule(key, 'isolate')
      await directory.overrule(`${key}/last`, 'isolate')
      await vi.waitFor(() => expect(later).toContain(`${key}/last`), soon)
      endLater()
      expect(told).toHaveLength(5)
    })

    test('a key with unusual characters has a name that can be used for it', async () => {
      const odd = `${key} {with} braces`
      const { key: shown } = await directory.overrule(odd, 'isolate')
      expect(shown).not.toContain(' ')
      expect(await directory.find(odd)).toMatchObject({ key: shown, override: 'isolated' })
      await directory.overrule(shown, 'reset')
      expect((await directory.find(odd))!.override).toBeUndefined()
    })
  })
}
