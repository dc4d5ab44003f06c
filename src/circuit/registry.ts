import { randomBytes } from 'node:crypto'
import {
  channels,
  type CircuitChangedEvent,
  type CircuitStateName,
  type StoreDegradedEvent,
} from '../telemetry/channels.ts'
import { type Scheduler, systemScheduler } from '../time/clock.ts'
import type { ChangeLog } from './change-log.ts'
import { Circuit, type CircuitHost } from './circuit.ts'
import type { CircuitPolicy } from './machine/policy.ts'
import { resolveCircuitBreakerOptions } from './options.ts'
import type { CircuitLink } from './shared/link.ts'
import type { SharedState } from './shared/shared-state.ts'
import type { CircuitSnapshot, CircuitStoreChange } from './store.ts'

/** Circuits kept per process and store unless the user says otherwise. */
export const DEFAULT_MAX_CIRCUITS = 1_000

interface RegistryOptions {
  readonly maxCircuits: number
  readonly by?: string
  readonly clock?: Scheduler
  /** Milliseconds since 1970 at `clock.now() === 0`. */
  readonly offset?: number
  readonly link?: CircuitLink
  readonly share?: (key: string) => SharedState
  readonly evicted?: (circuit: Circuit) => void
}

/** Names this process among those that share a store. */
export function makeProcessId(): string {
  return `${process.pid.toString(36)}-${randomBytes(6).toString('hex')}`
}

/** The circuits of one store in this process: made on demand, bounded, and what listeners are told of them. */
export class CircuitRegistry implements CircuitHost {
  readonly by: string
  readonly clock: Scheduler
  /** Added to `clock.now()` in epochs; a shared store corrects it to the server's clock. */
  offset: number
  readonly #options: RegistryOptions
  readonly #circuits = new Map<string, Circuit>()
  readonly #listeners = new Set<(change: CircuitStoreChange) => void>()

  constructor(options: RegistryOptions) {
    this.#options = options
    this.by = options.by ?? makeProcessId()
    this.clock = options.clock ?? systemScheduler
    this.offset = options.offset ?? performance.timeOrigin
  }

  find(key: string): Circuit | undefined {
    return this.#circuits.get(key)
  }

  circuit(key: string, policy: CircuitPolicy, log?: ChangeLog): Circuit {
    const circuit = this.#circuits.get(key) ?? this.#make(key, policy)
    if (!circuit.claimed) circuit.claim(policy)
    if (log !== undefined && log !== circuit.logs.last) circuit.logs.add(log)
    return circuit
  }

  /** For an operator override of a key that no breaker may have used yet. */
  anyCircuit(key: string): Circuit {
    const known = this.#circuits.get(key)
    if (known !== undefined) return known
    const made = this.#make(key, resolveCircuitBreakerOptions({}).policy)
    made.claimed = false
    return made
  }

  values(): IterableIterator<Circuit> {
    return this.#circuits.values()
  }

  state(key: string): CircuitSnapshot {
    const known = this.#circuits.get(key)
    if (known !== undefined) return known.snapshot()
    return { key, state: 'closed', failures: 0, requests: 0, epoch: 0, degraded: false }
  }

  list(): CircuitSnapshot[] {
    return Array.from(this.#circuits.values(), (circuit) => circuit.snapshot())
  }

  onChange(listener: (change: CircuitStoreChange) => void): () => void {
    // its own function, so that one listener can be given twice
    const own = (change: CircuitStoreChange): void => listener(change)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  moved(circuit: Circuit, from: CircuitStateName, here: boolean): void {
    const log = circuit.logs.first
    if (this.#listeners.size === 0 && !channels.circuitChanged.hasSubscribers && log === undefined) return
    const { state: to, epoch, retryAfterMs, override } = circuit.snapshot()
    const event: CircuitChangedEvent = { key: circuit.key, from, to, epoch, retryAfterMs, override, here }
    if (channels.circuitChanged.hasSubscribers) channels.circuitChanged.publish(event)
    log?.circuitChanged(event)
    this.#tell({ type: 'circuit', event })
  }

  degraded(event: StoreDegradedEvent): void {
    if (channels.storeDegraded.hasSubscribers) channels.storeDegraded.publish(event)
    this.#tell({ type: 'store', event })
  }

  #tell(change: CircuitStoreChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (error) {
        process.emitWarning(`a listener of circuits.onChange threw: ${String(error)}`, 'ResilienceWarning')
      }
    }
  }

  #make(key: string, policy: CircuitPolicy): Circuit {
    const { link, share, maxCircuits } = this.#options
    while (this.#circuits.size >= maxCircuits) this.#evict()
    const circuit = new Circuit(key, policy, this, link, share?.(key))
    this.#circuits.set(key, circuit)
    return circuit
  }

  /** The least recently used goes; among all, a closed one before one that still protects something. */
  #evict(): void {
    let oldest: Circuit | undefined
    for (const circuit of this.#circuits.values()) {
      if (oldest === undefined || isSooner(circuit, oldest)) oldest = circuit
    }
    if (oldest === undefined) return
    this.#circuits.delete(oldest.key)
    oldest.evicted = true
    this.#options.evicted?.(oldest)
  }
}

function isSooner(a: Circuit, b: Circuit): boolean {
  const idle = isIdle(a)
  return idle === isIdle(b) ? a.lastUsedAt < b.lastUsedAt : idle
}

function isIdle(circuit: Circuit): boolean {
  return circuit.passing && circuit.machine.override === undefined
}
