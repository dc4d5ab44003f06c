import type { Scheduler } from '../../time/clock.ts'
import type { Strain } from '../../time/strain.ts'
import type { Circuit } from '../circuit.ts'
import { CHUNK, inChunks } from './flush-queue.ts'

/** Circuits that are closed and idle are compared at every so many ticks. */
const IDLE_TICKS = 60
const IDLE_MS = 60_000
/** While the store is out of reach it is tried this often, in milliseconds; while it is strained less often, up to a second. */
const RETRY_MS = 250
/** While it is strained batches of circuits that are brought up to date are further apart than this, in milliseconds. */
const BATCH_MS = 100
const MOST_MS = 1_000

/** What circuits are brought up to date by. */
interface CircuitExchange {
  /** Hands on what was counted, and takes the views. Resolves when all was answered, or has failed. */
  flush(circuits: readonly Circuit[]): Promise<void>
  /** Looks whether the views still hold. */
  peek(circuits: readonly Circuit[]): Promise<void>
}

/**
 * The timers that bring views up to date which no reply and no push has: the poll, and the way back of circuits that go on
 * by themselves. One of them is tried first, since the store may be slow still, or back for a whole fleet at once; when it
 * is answered the others follow, a batch at a time.
 */
export class CatchUp {
  readonly #scheduler: Scheduler
  readonly #tickMs: number
  readonly #circuits: { values(): Iterable<Circuit> }
  readonly #strain: Strain
  /** Whether commands can be sent. */
  readonly #health: { readonly connected: boolean }
  readonly #exchange: CircuitExchange
  #cancelPoll: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  #cancelBatch: (() => void) | undefined
  /** One is tried, or the others follow. */
  #bringing = false
  #ticks = 0
  #stopped = false

  constructor(
    scheduler: Scheduler,
    tickMs: number,
    circuits: { values(): Iterable<Circuit> },
    strain: Strain,
    health: { readonly connected: boolean },
    exchange: CircuitExchange,
  ) {
    this.#scheduler = scheduler
    this.#tickMs = tickMs
    this.#circuits = circuits
    this.#strain = strain
    this.#health = health
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

  /** A circuit goes on by itself from now on: one is tried after a while. */
  retryLater(): void {
    if (this.#stopped) return
    const retry = (): void => {
      this.#cancelRetry = undefined
      this.retryNow()
    }
    this.#cancelRetry ??= this.#scheduler.after(this.#pauseMs(RETRY_MS), retry, { unref: true })
  }

  /** One that goes on by itself is tried. */
  retryNow(): void {
    if (this.#bringing || this.#stopped || !this.#health.connected) return
    const alone = this.#alone()
    const one = alone[Math.floor(this.#scheduler.random() * alone.length)]
    if (one === undefined) return
    this.#bringing = true
    void this.#exchange.flush([one]).then(() => {
      if (one.shared?.degraded === true) this.#brought()
      else this.#follow(this.#alone())
    })
  }

  /** The store answers for one that went on by itself. */
  recovered(): void {
    if (this.#bringing) return
    this.#bringing = true
    // in the middle of a batch of replies: those that come after this one are no longer alone then
    queueMicrotask(() => this.#follow(this.#alone()))
  }

  stop(): void {
    this.#stopped = true
    this.#cancelPoll?.()
    this.#cancelRetry?.()
    this.#cancelBatch?.()
  }

  #alone(): Circuit[] {
    return [...this.#circuits.values()].filter(
      ({ shared }) => shared?.degraded === true && shared.asking === 0,
    )
  }

  #follow(alone: readonly Circuit[]): void {
    if (alone.length === 0 || this.#stopped || !this.#health.connected) {
      this.#brought()
      return
    }
    const batch = alone.slice(0, CHUNK)
    const send = (): void => {
      void this.#exchange.flush(batch).then(() => {
        const failed = batch.every(({ shared }) => shared?.degraded === true)
        this.#follow(failed ? [] : alone.slice(CHUNK))
      })
    }
    if (this.#strain.isEased) send()
    else this.#cancelBatch = this.#scheduler.after(this.#pauseMs(BATCH_MS), send, { unref: true })
  }

  #pauseMs(ms: number): number {
    return this.#strain.pauseMs(ms, MOST_MS)
  }

  #brought(): void {
    this.#bringing = false
    if (this.#alone().length > 0 && this.#health.connected) this.retryLater()
  }

  #poll(): void {
    this.#ticks += 1
    const now = this.#scheduler.now()
    const all = this.#ticks % IDLE_TICKS === 0
    const { times, isEased } = this.#strain
    const due: Circuit[] = []
    const resting: Circuit[] = []
    for (const circuit of this.#circuits.values()) {
      const { shared, passing, policy } = circuit
      if (shared === undefined || shared.degraded || shared.asking > 0) continue
      // a rest that is over ends at this tick, however recent the last look was
      const hasRested = passing && shared.hasRested(policy, now, times)
      if (now - shared.syncedAt < this.#tickMs && !hasRested) continue
      if (passing && !all && now - usedAt(circuit) >= IDLE_MS) continue
      // what is to be handed on at once is in the queue anyway
      if (passing && !hasRested && (!shared.eager || !isEased)) resting.push(circuit)
      else due.push(circuit)
    }
    inChunks(due, (circuits) => void this.#exchange.flush(circuits))
    inChunks(resting, (circuits) => void this.#exchange.peek(circuits))
  }
}

/** One that stands above others is used with them. */
function usedAt({ lastUsedAt, beneath }: Circuit): number {
  let latest = lastUsedAt
  for (const circuit of beneath) latest = Math.max(latest, circuit.lastUsedAt)
  return latest
}
