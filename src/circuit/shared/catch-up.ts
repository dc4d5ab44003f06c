import type { Scheduler } from '../../time/clock.ts'
import type { Circuit } from '../circuit.ts'
import { inChunks } from './flush-queue.ts'

/** Circuits that are closed and idle are compared at every so many ticks. */
const IDLE_TICKS = 60
const IDLE_MS = 60_000
/** While the store is out of reach it is tried this often, in milliseconds. */
const RETRY_MS = 250

/** What circuits are brought up to date by. */
interface CircuitExchange {
  /** Hands on what was counted, and takes the views. */
  flush(circuits: readonly Circuit[]): void
  /** Looks whether the views still hold. */
  peek(circuits: readonly Circuit[]): void
}

/** The timers that bring views up to date which no reply and no push has: the poll, and the retry while degraded. */
export class CatchUp {
  readonly #scheduler: Scheduler
  readonly #tickMs: number
  readonly #circuits: { values(): Iterable<Circuit> }
  readonly #exchange: CircuitExchange
  #cancelPoll: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  #ticks = 0
  #stopped = false

  constructor(
    scheduler: Scheduler,
    tickMs: number,
    circuits: { values(): Iterable<Circuit> },
    exchange: CircuitExchange,
  ) {
    this.#scheduler = scheduler
    this.#tickMs = tickMs
    this.#circuits = circuits
    this.#exchange = exchange
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
      if (one !== undefined) this.#exchange.flush([one])
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
    const due: Circuit[] = []
    const resting: Circuit[] = []
    for (const circuit of this.#circuits.values()) {
      const { shared, passing, policy } = circuit
      if (shared === undefined || shared.degraded) continue
      // a rest that is over ends at this tick, however recent the last look was
      const hasRested = passing && shared.hasRested(policy, now)
      if (now - shared.syncedAt < this.#tickMs && !hasRested) continue
      if (passing && !all && now - usedAt(circuit) >= IDLE_MS) continue
      if (passing && !shared.eager && !hasRested) resting.push(circuit)
      else due.push(circuit)
    }
    inChunks(due, (circuits) => this.#exchange.flush(circuits))
    inChunks(resting, (circuits) => this.#exchange.peek(circuits))
  }
}

/** One that stands above others is used with them. */
function usedAt({ lastUsedAt, beneath }: Circuit): number {
  let latest = lastUsedAt
  for (const circuit of beneath) latest = Math.max(latest, circuit.lastUsedAt)
  return latest
}
