import { randomBytes } from 'node:crypto'
import {
  channels,
  type CircuitChangedEvent,
  type CircuitStateName,
  type StoreDegradedEvent,
} from '../telemetry/channels.ts'
import { Circuit, type CircuitHost, type CircuitLink } from './circuit.ts'
import { resolveCircuitBreakerOptions } from './options.ts'
import type { CircuitPolicy } from './policy.ts'
import type { SharedState } from './shared-state.ts'
import type { CircuitSnapshot, CircuitStoreChange } from './store.ts'

/** Circuits kept per process and store unless the user says otherwise. */
export const DEFAULT_MAX_CIRCUITS = 1_000

export interface RegistryOptions {
  readonly maxCircuits: number
  readonly by?: string
  readonly now?: () => number
  /** Milliseconds since 1970 at `now() === 0`. */
  readonly offset?: number
  readonly link?: CircuitLink
  readonly share?: (key: string) => SharedState
  readonly evicted?: (circuit: Circuit) => void
}

/** Names this process among those that share a store. */
export function makeProcessId(): string {
  return `${process.pid.toString(36)}-${randomBytes(6).toString('hex')}`
}

const steadyNow = (): number => performance.now()

/** The circuits of one store in this process: made on demand, bounded, and what listeners are told of them. */
export class CircuitRegistry implements CircuitHost {
  readonly by: string
  readonly now: () => number
  /** Added to `now` in epochs; a shared store corrects it to the server's clock. */
  offset: number
  readonly #options: RegistryOptions
  readonly #circuits = new Map<string, Circuit>()
  readonly #listeners = new Set<(change: CircuitStoreChange) => void>()

  constructor(options: RegistryOptions) {
    this.#options = options
    this.by = options.by ?? makeProcessId()
    this.now = options.now ?? steadyNow
    this.offset = options.offset ?? performance.timeOrigin
  }

  find(key: string): Circuit | undefined {
    return this.#circuits.get(key)
  }

  circuit(key: string, policy: CircuitPolicy): Circuit {
    const known = this.#circuits.get(key)
    if (known === undefined) return this.#make(key, policy)
    if (!known.claimed) known.claim(policy)
    return known
  }

  /** For an operator's word about a key that no breaker may have used yet. */
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

  get size(): number {
    return this.#circuits.size
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
    if (this.#listeners.size === 0 && !channels.circuitChanged.hasSubscribers) return
    const { state: to, epoch, retryAfterMs, override } = circuit.snapshot()
    const event: CircuitChangedEvent = { key: circuit.key, from, to, epoch, retryAfterMs, override, here }
    if (channels.circuitChanged.hasSubscribers) channels.circuitChanged.publish(event)
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
    const circuit = new Circuit(key, policy, this, this.offset, link, share?.(key))
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
