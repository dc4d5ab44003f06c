import type { CircuitChangedEvent } from '../telemetry/channels.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import type { CircuitStore } from './store.ts'

/**
 * The logger of one breaker, as the circuits that it uses know it. Of the breakers that use a circuit the first logs its
 * transitions, under its own integration; the next does when that one is closed. The loss and the return of the store
 * concern every breaker on it.
 */
export class ChangeLog {
  closed = false
  readonly #reporter: Reporter
  readonly #stopListening: () => void

  constructor(circuits: CircuitStore, reporter: Reporter) {
    this.#reporter = reporter
    this.#stopListening = circuits.onChange((change) => {
      if (change.type === 'store') reporter.storeDegraded(change.event)
    })
  }

  circuitChanged(event: CircuitChangedEvent): void {
    this.#reporter.circuitChanged(event)
  }

  close(): void {
    this.closed = true
    this.#stopListening()
  }
}

/** The logs of the breakers that use one circuit, in the order in which they came to it. */
export class ChangeLogs {
  /** Whose breaker used it last: one comparison for each call. */
  last: ChangeLog | undefined
  readonly #logs = new Set<ChangeLog>()

  add(log: ChangeLog): void {
    this.last = log
    this.#logs.add(log)
  }

  /** The one that logs what becomes of the circuit. */
  get first(): ChangeLog | undefined {
    for (const log of this.#logs) {
      if (!log.closed) return log
      this.#logs.delete(log)
    }
    return undefined
  }
}
