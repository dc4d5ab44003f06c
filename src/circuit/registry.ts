import { randomBytes } from 'node:crypto'
import { originsMeantBy, scopeOf, spelledKey } from '../http/url/scope.ts'
import { stringOption } from '../options.ts'
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

  /**
   * For an operator override, of a key that no breaker may have used yet.
   * @throws RangeError for a url or a host of which calls here use the origin: it would stop none of them
   */
  anyCircuit(text: string): Circuit {
    const key = this.#named(text)
    const known = this.#circuits.get(key)
    if (known !== undefined) return known
    const origin = originsMeantBy(key).find((one) => this.#circuits.has(one))
    if (origin !== undefined) {
      throw new RangeError(`\`key\` must be that of a circuit, got ${key}; did you mean ${origin}?`)
    }
    return this.#make(key, resolveCircuitBreakerOptions({}).policy, false)
  }

  values(): IterableIterator<Circuit> {
    return this.#circuits.values()
  }

  state(text: string): CircuitSnapshot {
    const key = this.#named(text)
    const known = this.#circuits.get(key)
    if (known !== undefined) return known.snapshot()
    return { key, state: 'closed', failures: 0, requests: 0, epoch: 0, degraded: false }
  }

  list(): CircuitSnapshot[] {
    const used = Array.from(this.#circuits.values()).filter((circuit) => !isBare(circuit))
    return used.map((circuit) => circuit.snapshot())
  }

  onChange(listener: (change: CircuitStoreChange) => void): () => void {
    // its own function, so that one listener can be given twice
    const own = (change: CircuitStoreChange): void => listener(change)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  moved(circuit: Circuit, from: CircuitStateName, here: boolean): void {
    const log = logOf(circuit)
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

  /** An operator may spell an origin in another way than calls do. */
  #named(text: string): string {
    return this.#circuits.has(text) ? text : spelledKey(stringOption('key', text))
  }

  #make(key: string, policy: CircuitPolicy, claimed = true): Circuit {
    while (this.#circuits.size >= this.#options.maxCircuits && this.#evict());
    const circuit = this.#add(key, policy, claimed)
    const scope = scopeOf(key)
    if (scope !== key && scope !== '') {
      circuit.standUnder(this.#circuits.get(scope) ?? this.#add(scope, policy, false))
    }
    return circuit
  }

  #add(key: string, policy: CircuitPolicy, claimed: boolean): Circuit {
    const { link, share } = this.#options
    const circuit = new Circuit(key, policy, this, link, share?.(key))
    circuit.claimed = claimed
    this.#circuits.set(key, circuit)
    return circuit
  }

  /**
   * The least recently used goes; among all, a closed one before one that still protects something. That of an origin
   * stays while there are some beneath it.
   */
  #evict(): boolean {
    let oldest: Circuit | undefined
    for (const circuit of this.#circuits.values()) {
      if (circuit.beneath.size > 0) continue
      if (oldest === undefined || isSooner(circuit, oldest)) oldest = circuit
    }
    if (oldest === undefined) return false
    const { above } = oldest
    above?.beneath.delete(oldest)
    this.#forget(oldest)
    if (above !== undefined && above.beneath.size === 0 && isBare(above)) this.#forget(above)
    return true
  }

  #forget(circuit: Circuit): void {
    this.#circuits.delete(circuit.key)
    circuit.evicted = true
    this.#options.evicted?.(circuit)
  }
}

/** No call has used it and no operator has touched it: it only stands above others. */
export function isBare({ claimed, machine }: Circuit): boolean {
  return !claimed && machine.epoch === 0
}

/** No breaker uses a circuit that only stands above others: what an operator does to it is said by one of those. */
function logOf({ logs, beneath }: Circuit): ChangeLog | undefined {
  if (logs.first !== undefined) return logs.first
  for (const one of beneath) if (one.logs.first !== undefined) return one.logs.first
  return undefined
}

function isSooner(a: Circuit, b: Circuit): boolean {
  const idle = isIdle(a)
  return idle === isIdle(b) ? a.lastUsedAt < b.lastUsedAt : idle
}

function isIdle(circuit: Circuit): boolean {
  return circuit.passing && circuit.override === undefined
}
