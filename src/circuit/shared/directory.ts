import { scopeOf } from '../../http/url/scope.ts'
import type { ControlAction } from '../machine/machine.ts'
import { stateUnder, strongerOverride, type View } from '../machine/state.ts'

/** A circuit as the store holds it, whoever uses it. */
export interface StoredCircuit {
  /** Its key; `sha256-...` stands for a key with characters that the store's names cannot hold, and may be used for it. */
  readonly key: string
  readonly state: View['state']
  /** An operator override, until `reset`. */
  readonly override: View['override']
  /** Until a probe may go, in milliseconds; 0 unless it is open by itself. */
  readonly retryAfterMs: number
  /** How often in a row it has opened; a row ends when it has been closed for `windowMs`. */
  readonly trips: number
  /** When it last changed, epoch milliseconds by the server's clock. */
  readonly since: number
  /** The process that changed it last. */
  readonly by: string
}

/** What a watch of the circuits of all processes tells. */
export interface CircuitWatcher {
  /** A transition, or the slot of a probe that came back. */
  changed(circuit: StoredCircuit): void
  /** The connection was lost: transitions may be missed from now on, and nothing more is told. At most once. */
  lost(error: Error): void
}

/**
 * Port: the circuits of all processes that share a store. An operator's tool: nothing here is cached, everything asks the
 * server and rejects when it does not answer within the store's timeout. What cannot be read is left out alone.
 */
export interface CircuitDirectory {
  /** Every circuit that the store holds, by key. */
  list(): Promise<StoredCircuit[]>
  /** The circuit of a key; `undefined` when no process has used it, or the store has forgotten it. */
  find(key: string): Promise<StoredCircuit | undefined>
  /**
   * Overrules a circuit in all processes, also in those that use it for the first time later. The others beneath the key of
   * an origin are not reset with it: see `resetBeneath`. When it rejects it may
   * have been done or not.
   * @returns the circuit after it
   */
  overrule(key: string, action: ControlAction): Promise<StoredCircuit>
  /**
   * Tells of every change from now on, whoever makes it. Resolves once no change can be missed.
   * @returns a function that ends it
   */
  watch(watcher: CircuitWatcher): Promise<() => void>
}

/** Resets all that is not closed beneath the key of an origin. */
export async function resetBeneath(directory: CircuitDirectory, key: string): Promise<void> {
  for (const circuit of circuitsBeneath(await directory.list(), key)) {
    const { state, override } = circuit
    if (state !== 'closed' || override !== undefined) await directory.overrule(circuit.key, 'reset')
  }
}

/** The circuits of credentials at an origin, by the origin's key. */
export function circuitsBeneath(circuits: readonly StoredCircuit[], key: string): StoredCircuit[] {
  return circuits.filter((circuit) => circuit.key !== key && scopeOf(circuit.key) === key)
}

/** As calls find them: an operator override of an origin holds for the circuits of all credentials there. */
export function withOverridesAbove(circuits: readonly StoredCircuit[]): StoredCircuit[] {
  const overrides = new Map(circuits.map(({ key, override }) => [key, override]))
  return circuits.map((circuit) => {
    const scope = scopeOf(circuit.key)
    const above = scope === circuit.key ? undefined : overrides.get(scope)
    if (above === undefined) return circuit
    const override = strongerOverride(circuit.override, above)
    return { ...circuit, override, state: stateUnder(override, circuit), retryAfterMs: 0 }
  })
}

export function storedCircuit(key: string, view: View): StoredCircuit {
  const { state, override, remainingMs, trips, epoch, by } = view
  // an epoch is the server's time in microseconds when the circuit changed
  return { key, state, override, retryAfterMs: remainingMs, trips, since: Math.floor(epoch / 1_000), by }
}
