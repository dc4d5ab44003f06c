import type { Scheduler } from './backend.ts'
import type { Circuit } from './circuit.ts'
import { inChunks } from './flush-queue.ts'

/** A poll of circuits that are closed and idle happens every so many polls. */
const IDLE_POLLS = 30
const IDLE_MS = 60_000
/** While the store is out of reach it is tried this often, in milliseconds. */
const RETRY_MS = 250

/** The timers that bring views up to date which no reply and no push has: the poll, and the retry while degraded. */
export class CatchUp {
  readonly #scheduler: Scheduler
  readonly #pollIntervalMs: number
  readonly #circuits: { values(): Iterable<Circuit> }
  readonly #send: (circuits: readonly Circuit[]) => void
  #cancelPoll: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  #polls = 0
  #stopped = false

  constructor(
    scheduler: Scheduler,
    pollIntervalMs: number,
    circuits: { values(): Iterable<Circuit> },
    send: (circuits: readonly Circuit[]) => void,
  ) {
    this.#scheduler = scheduler
    this.#pollIntervalMs = pollIntervalMs
    this.#circuits = circuits
    this.#send = send
  }

  /** Starts the poll unless it runs. */
  start(): void {
    if (this.#stopped) return
    this.#cancelPoll ??= this.#scheduler.after(this.#pollIntervalMs, () => {
      this.#cancelPoll = undefined
      this.#poll()
      this.start()
    })
  }

  /** One circuit is tried soon; when the store answers it, the others follow. */
  retryLater(): void {
    if (this.#stopped) return
    this.#cancelRetry ??= this.#scheduler.after(RETRY_MS, () => {
      this.#cancelRetry = undefined
      const degraded = [...this.#circuits.values()].filter(({ shared }) => shared?.degraded === true)
      const one = degraded[Math.floor(this.#scheduler.random() * degraded.length)]
      if (one !== undefined) this.#send([one])
    })
  }

  stop(): void {
    this.#stopped = true
    this.#cancelPoll?.()
    this.#cancelRetry?.()
  }

  #poll(): void {
    this.#polls += 1
    const now = this.#scheduler.now()
    const all = this.#polls % IDLE_POLLS === 0
    const due = [...this.#circuits.values()].filter(({ shared, passing, lastUsedAt }) => {
      if (shared === undefined || shared.degraded) return false
      if (now - shared.syncedAt < this.#pollIntervalMs / 2) return false
      return all || !passing || now - lastUsedAt < IDLE_MS
    })
    inChunks(due, this.#send)
  }
}
