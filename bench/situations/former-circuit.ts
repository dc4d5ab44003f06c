import { type Admission, go, refuse } from '../../src/circuit/admission.ts'
import { addCounts, clearWindow, createWindow, sumsOf } from '../../src/circuit/machine/window.ts'
import type { Scheduler } from '../../src/time/clock.ts'

const POLICY = {
  failureThreshold: 5,
  failureRate: 0.5,
  windowMs: 30_000,
  timeoutMs: 30_000,
  maxTimeoutMs: 300_000,
  probes: 2,
}

/**
 * The breaker as it was before the defaults changed: a plain rate, an opening of 30 s that doubles to 300 s, and nobody
 * waits. For comparison only.
 */
export class FormerCircuit {
  readonly #clock: Scheduler
  readonly #window = createWindow(POLICY.windowMs / 10)
  #state: 'closed' | 'open' | 'half-open' = 'closed'
  #until = 0
  #trips = 0
  #inFlight = 0
  #successes = 0
  generation = 0
  openings = 0

  constructor(clock: Scheduler) {
    this.#clock = clock
  }

  get passing(): boolean {
    return this.#state === 'closed'
  }

  admit(now: number): Admission {
    if (this.#state === 'open') {
      if (now < this.#until) return refuse(this.#until - now)
      this.#move('half-open')
    }
    if (this.#state === 'closed') return go
    if (this.#inFlight + this.#successes >= POLICY.probes) return refuse(1)
    this.#inFlight += 1
    return { kind: 'probe', token: '', shared: false, startedAt: now }
  }

  record(generation: number, failed: boolean, probe: boolean): void {
    if (generation !== this.generation) return
    const now = this.#clock.now()
    if (probe) {
      this.#inFlight -= 1
      if (failed) this.#open(now)
      else if (++this.#successes >= POLICY.probes) {
        this.#trips = 0
        this.#move('closed')
      }
      return
    }
    addCounts(this.#window, now, { total: 1, failed: failed ? 1 : 0, slow: 0 })
    const sums = sumsOf(this.#window, now)
    if (failed && sums.failed >= POLICY.failureThreshold && sums.failed >= POLICY.failureRate * sums.total) {
      this.#open(now)
    }
  }

  #open(now: number): void {
    this.#trips += 1
    this.openings += 1
    this.#until = now + Math.min(POLICY.timeoutMs * 2 ** (this.#trips - 1), POLICY.maxTimeoutMs)
    this.#move('open')
  }

  #move(state: 'closed' | 'open' | 'half-open'): void {
    this.#state = state
    this.generation += 1
    this.#inFlight = 0
    this.#successes = 0
    clearWindow(this.#window)
  }
}
