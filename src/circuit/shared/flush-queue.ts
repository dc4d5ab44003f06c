import type { Scheduler } from '../../time/clock.ts'
import type { Strain } from '../../time/strain.ts'
import type { Circuit } from '../circuit.ts'

/** How many circuits one batch brings up to date. */
export const CHUNK = 100

export function inChunks(circuits: readonly Circuit[], send: (chunk: readonly Circuit[]) => void): void {
  for (let from = 0; from < circuits.length; from += CHUNK) send(circuits.slice(from, from + CHUNK))
}

/**
 * Circuits with results to send: one timer for all of them, and at most one flush ahead of time each per interval. While a
 * batch is unanswered no other one follows, and the interval grows with the strain of the store: one that a large fleet asks
 * for more than it can, as all of it starts anew, does not fall behind until commands fail, and all start anew again.
 */
export class FlushQueue {
  readonly #scheduler: Scheduler
  readonly #intervalMs: number
  readonly #strain: Strain
  readonly #send: (circuits: readonly Circuit[]) => Promise<void>
  #queued: Circuit[] = []
  #hurried: Circuit[] = []
  #cancel: (() => void) | undefined
  /** Batches that are not answered. */
  #underWay = 0
  /** The interval was over before the last batch was answered. */
  #late = false

  constructor(
    scheduler: Scheduler,
    intervalMs: number,
    strain: Strain,
    send: (circuits: readonly Circuit[]) => Promise<void>,
  ) {
    this.#scheduler = scheduler
    this.#intervalMs = intervalMs
    this.#strain = strain
    this.#send = send
  }

  add(circuit: Circuit): void {
    const { shared } = circuit
    if (shared === undefined || shared.queued) return
    shared.queued = true
    this.#queued.push(circuit)
    this.#startTimer()
  }

  hurry(circuit: Circuit): void {
    const { shared } = circuit
    if (shared === undefined || shared.hurried || !shared.reached) return
    this.add(circuit)
    shared.hurried = true
    this.#hurried.push(circuit)
    void this.#send([circuit])
  }

  /** Sends all that is queued, whatever is under way. */
  flush(): void {
    this.stop()
    this.#late = false
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
    inChunks(due, (circuits) => {
      this.#underWay += 1
      void this.#send(circuits).finally(() => this.#answered())
    })
  }

  #startTimer(): void {
    const ms = this.#strain.pauseMs(this.#intervalMs)
    this.#cancel ??= this.#scheduler.after(ms, () => this.#due(), { unref: true })
  }

  #due(): void {
    if (this.#underWay === 0) this.flush()
    else this.#late = true
  }

  #answered(): void {
    this.#underWay -= 1
    if (this.#underWay > 0 || !this.#late) return
    this.#late = false
    this.stop()
    this.#startTimer()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
