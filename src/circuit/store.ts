import type { CircuitChangedEvent, CircuitStateName, StoreDegradedEvent } from '../telemetry/channels.ts'
import type { ChangeLog } from './change-log.ts'
import type { Circuit } from './circuit.ts'
import type { CircuitPolicy } from './machine/policy.ts'
import { type Override, stateUnder } from './machine/state.ts'
import { sumsOf } from './machine/window.ts'
import type { CircuitDirectory } from './shared/directory.ts'

/** A circuit as this process sees it now. */
export interface CircuitSnapshot {
  /** By default the origin: `https://api.example.com`. */
  readonly key: string
  /** `open` also while it is isolated. An open circuit whose time is up stays `open` until a call comes and probes. */
  readonly state: CircuitStateName
  /** An operator override: `isolated` admits none, `forced-closed` rejects none, until `reset`. */
  readonly override?: Override
  /** Milliseconds until a probe may go; only when open by itself. */
  readonly retryAfterMs?: number
  /** Failures in the window: over all processes as far as this one knows, of this one alone when `degraded`. */
  readonly failures: number
  /** Requests in the window, counted like `failures`. */
  readonly requests: number
  /** Rises with each transition, the same in every process; 0 for a circuit that never changed. */
  readonly epoch: number
  /** The shared store is out of reach (or not reached yet): this process decides by itself. Always false in memory. */
  readonly degraded: boolean
}

/** What a circuit is at this moment, on its host's clock. */
export function snapshotOf(circuit: Circuit, now: number): CircuitSnapshot {
  const { key, machine, shared, override, policy } = circuit
  const { phase, epoch } = machine
  const here = sumsOf(machine.window, now)
  const sums = shared?.degraded === false ? shared.sums(here, now, policy) : here
  return {
    key,
    state: stateUnder(override, phase),
    ...(override === undefined ? {} : { override }),
    ...(phase.state === 'open' && override === undefined
      ? { retryAfterMs: Math.max(0, Math.ceil(phase.until - now)) }
      : {}),
    failures: sums.failed,
    requests: sums.total,
    epoch,
    degraded: shared?.degraded ?? false,
  }
}

/** The operator's view of the circuits: `stack.circuits`. */
export interface Circuits {
  /**
   * The circuit's state, at once and without I/O. A key that this process has not used is closed, with epoch 0.
   * @example
   * if (stack.circuits.state('https://api.example.com').state === 'open') showBanner()
   */
  state(key: string): CircuitSnapshot
  /** The circuits that this process has used and not forgotten (`maxCircuits`). */
  list(): CircuitSnapshot[]
  /**
   * Refuses every call until `reset`, in all processes that share the store. The key of an origin stands for the circuits of
   * all credentials there (`https://api.example.com#1f2e3d4c5b6a`), also for those that come later. In this process it holds when the promise
   * settles (in memory at once). No fault of the store rejects it: with it out of reach it holds here, and for the others when
   * the store is back.
   * @throws RangeError, as a rejection, for a url with a path, or a host alone, of which calls here use the origin
   */
  isolate(key: string): Promise<void>
  /** Admits every call until `reset`, whatever fails; the rest as with `isolate`. */
  forceClose(key: string): Promise<void>
  /**
   * Closes the circuit, ends an override and forgets what was counted; of an origin, closes all circuits of credentials there
   * too, where this process uses some of them. The rest as with `isolate`.
   */
  reset(key: string): Promise<void>
}

/** What a listener of `onChange` is told. */
export type CircuitStoreChange =
  | { readonly type: 'circuit'; readonly event: CircuitChangedEvent }
  | { readonly type: 'store'; readonly event: StoreDegradedEvent }

/**
 * Port: where circuits are remembered. It guarantees
 * - one `Circuit` per key and process, as long as it is among the `maxCircuits` most recently used;
 * - no promise, no I/O and no timer of its own for a call through a closed or an open circuit;
 * - each transition told exactly once per process, on `channels.circuitChanged` and to the listeners, with `here` true
 *   in the one process that made it; each loss and return of the store once, on `channels.storeDegraded`;
 * - that no error of the store reaches a call.
 *
 * Circuits of equal keys are shared by all breakers of the store, and keep the options of the breaker that used the
 * key first: give breakers that differ different keys.
 */
export interface CircuitStore extends Circuits {
  /**
   * The circuit of a key; made when it is new.
   * @param log of the breaker that asks, where it has a logger: see `ChangeLog`
   */
  circuit(key: string, policy: CircuitPolicy, log?: ChangeLog): Circuit
  /**
   * Tells a listener of every transition that this process sees, and of every change of `degraded`. A listener that
   * throws is reported as a warning and harms nobody.
   * @returns a function that ends it
   * @example
   * const stop = store.circuits.onChange(({ type, event }) => {
   *   if (type === 'circuit') log.warn(event, `circuit ${event.from} -> ${event.to}`)
   * })
   */
  onChange(listener: (change: CircuitStoreChange) => void): () => void
  /**
   * The circuits of all processes, as the store holds them: to list, to watch and to overrule them from outside.
   * Absent where circuits are those of this process alone.
   * @example
   * for (const { key, state } of await redisStore(redis).circuits.directory.list()) console.log(key, state)
   */
  readonly directory?: CircuitDirectory | undefined
  /** Hands on to the other processes what was counted and not yet sent. Never rejects. */
  flush(): Promise<void>
  /** Flushes, and releases timers and connections. Circuits go on locally after it. */
  close(): Promise<void>
}

/** Circuits that processes share. */
export interface SharedCircuitStore extends CircuitStore {
  readonly directory: CircuitDirectory
}
