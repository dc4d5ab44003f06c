import type { Scheduler } from '../../time/clock.ts'
import type { Circuit } from '../circuit.ts'

/** How many circuits one batch brings up to date. */
const CHUNK = 100

export function inChunks(circuits: readonly Circuit[], send: (chunk: readonly Circuit[]) => void): void {
  for (let from = 0; from < circuits.length; from += CHUNK) send(circuits.slice(from, from + CHUNK))
}

/** Circuits with results to send: one timer for all of them, and at most one flush ahead of time each per interval. */
export class FlushQueue {
  readonly #scheduler: Scheduler
  readonly #intervalMs: number
  readonly #send: (circuits: readonly Circuit[]) => void
  #queued: Circuit[] = []
  #hurried: Circuit[] = []
  #cancel: (() => void) | undefined

  constructor(scheduler: Scheduler, intervalMs: number, send: (circuits: readonly Circuit[]) => void) {
    this.#scheduler = scheduler
    this.#intervalMs = intervalMs
    this.#send = send
  }

  add(circuit: Circuit): void {
    const { shared } = circuit
    if (shared === undefined || shared.queued) return
    shared.queued = true
    this.#queued.push(circuit)
    this.#cancel ??= this.#scheduler.after(this.#intervalMs, () => this.flush(), { unref: true })
  }

  hurry(circuit: Circuit): void {
    const { shared } = circuit
    if (shared === undefined || shared.hurried || !shared.reached) return
    this.add(circuit)
    shared.hurried = true
    this.#hurried.push(circuit)
    this.#send([circuit])
  }

  flush(): void {
    this.stop()
    const due: Circuit[] = []
    for (const circuit of this.#hurried) if (circuit.shared !== undefined) circuit.shared.hurried = false
    for (const circuit of this.#queued) {
      const { shared } = circuit
      if (shared === undefined) continue
      shared.queued = false
      if (!shared.degraded && shared.reached && shared.hasPending) due.push(circuit)
    }
    this.#hurried = []
    this.#queued = []
    inChunks(due, this.#send)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
