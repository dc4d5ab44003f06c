import type { StoreDegradedEvent } from '../../telemetry/channels.ts'

/** Whether a shared store is in reach, for all circuits or for some. Tells each change once, not once per call. */
export class StoreHealth {
  /** Commands can be sent. */
  connected = false
  readonly #store: string
  readonly #tell: (event: StoreDegradedEvent) => void
  /** Circuits whose last command failed. */
  readonly #failing = new Set<object>()
  #lost = false
  #told = false

  constructor(store: string, tell: (event: StoreDegradedEvent) => void) {
    this.#store = store
    this.#tell = tell
  }

  /** It was in reach, or was tried in vain, and is not in reach now. */
  get lost(): boolean {
    return this.#lost
  }

  /** The connection was made, or lost. A first connection that is still being made does not count as lost. */
  connection(up: boolean, error?: Error): void {
    this.connected = up
    this.#lost = !up
    if (up) this.#failing.clear()
    this.#update(error)
  }

  failed(circuit: object, error: Error): void {
    this.#failing.add(circuit)
    this.#update(error)
  }

  /** Whether others still fail: they are worth a try now. */
  recovered(circuit: object): boolean {
    const known = this.#failing.delete(circuit)
    this.#update()
    return known && this.#failing.size > 0
  }

  remove(circuit: object): void {
    this.#failing.delete(circuit)
    this.#update()
  }

  #update(error?: Error): void {
    const degraded = this.#lost || this.#failing.size > 0
    if (degraded === this.#told) return
    this.#told = degraded
    this.#tell({ store: this.#store, degraded, error })
  }
}
