import type { Scheduler } from '../../time/clock.ts'
import type { Circuit } from '../circuit.ts'
import { inChunks } from './flush-queue.ts'

/** Circuits that are closed and idle are compared at every so many ticks. */
const IDLE_TICKS = 60
const IDLE_MS = 60_000
/** While the store is out of reach it is tried this often, in milliseconds. */
const RETRY_MS = 250

/** The timers that bring views up to date which no reply and no push has: the poll, and the retry while degraded. */
export class CatchUp {
  readonly #scheduler: Scheduler
  /** Two ticks are a poll interval: what is older than one at a tick is never older than two. */
  readonly #tickMs: number
  readonly #circuits: { values(): Iterable<Circuit> }
  readonly #send: (circuits: readonly Circuit[]) => void
  #cancelPoll: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  #ticks = 0
  #stopped = false

  constructor(
    scheduler: Scheduler,
    pollIntervalMs: number,
    circuits: { values(): Iterable<Circuit> },
    send: (circuits: readonly Circuit[]) => void,
  ) {
    this.#scheduler = scheduler
    this.#tickMs = pollIntervalMs / 2
    this.#circuits = circuits
    this.#send = send
  }

  /** Starts the poll unless it runs. */
  start(): void {
    if (this.#stopped) return
    const tick = (): void => {
      this.#cancelPoll = undefined
      this.#poll()
      this.start()
    }
    this.#cancelPoll ??= this.#scheduler.after(this.#tickMs, tick, { unref: true })
  }

  /** One circuit is tried soon; when the store answers it, the others follow. */
  retryLater(): void {
    if (this.#stopped) return
    const retry = (): void => {
      this.#cancelRetry = undefined
      const degraded = [...this.#circuits.values()].filter(({ shared }) => shared?.degraded === true)
      const one = degraded[Math.floor(this.#scheduler.random() * degraded.length)]
      if (one !== undefined) this.#send([one])
    }
    this.#cancelRetry ??= this.#scheduler.after(RETRY_MS, retry, { unref: true })
  }

  stop(): void {
    this.#stopped = true
    this.#cancelPoll?.()
    this.#cancelRetry?.()
  }

  #poll(): void {
    this.#ticks += 1
    const now = this.#scheduler.now()
    const all = this.#ticks % IDLE_TICKS === 0
    const due = [...this.#circuits.values()].filter(({ shared, passing, lastUsedAt }) => {
      if (shared === undefined || shared.degraded) return false
      if (now - shared.syncedAt < this.#tickMs) return false
      return all || !passing || now - lastUsedAt < IDLE_MS
    })
    inChunks(due, this.#send)
  }
}
