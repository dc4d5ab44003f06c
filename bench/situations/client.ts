import { resolveOptions } from '../../src/checks.ts'
import type { Admission, Granted } from '../../src/circuit/admission.ts'
import type { Circuit } from '../../src/circuit/circuit.ts'
import { localCircuits } from '../../src/circuit/local-circuits.ts'
import { resolveCircuitBreakerOptions } from '../../src/circuit/options.ts'
import { backoffMs, type BackoffPolicy } from '../../src/retry/backoff.ts'
import { RetryBudget } from '../../src/retry/budget/budget.ts'
import { retryChecks } from '../../src/retry/options.ts'
import type { VirtualClock } from '../../test/support/simulation/virtual-clock.ts'
import { FormerCircuit } from './former-circuit.ts'

/** Who calls: the landed defaults, the former ones, undici's `interceptors.retry()`. */
export const clients = ['defaults', 'former', 'undici retry'] as const
export type ClientName = (typeof clients)[number]

/** What became of an attempt. */
export interface Answer {
  readonly ok: boolean
  readonly afterMs: number
}

/** Answers an attempt, or says later. */
export type Provider = (done: (answer: Answer) => void) => void

/** What became of a call. */
export interface Ended {
  readonly ok: boolean
  readonly startedAt: number
  readonly ms: number
  /** A circuit ended it. */
  readonly refused: boolean
}

interface Retries extends BackoffPolicy {
  readonly maxAttempts: number
}

const landed = resolveOptions('retry', retryChecks, {})
const former: Retries = { ...landed, maxAttempts: 4, jitter: 'full' }
/** lib/handler/retry-handler.js of undici 8: five retries, 0.5 s doubled, at most 30 s, no jitter. */
const undici: Retries = {
  maxAttempts: 6,
  initialBackoffMs: 500,
  backoffMultiplier: 2,
  maxBackoffMs: 30_000,
  jitter: 'none',
}

interface PlayedCall {
  readonly startedAt: number
  readonly provider: Provider
  previousMs: number
  /** The attempt in hand was let through by the budget. */
  paid: boolean
  /** Kept by the line. */
  waitedMs: number
}

/** One process that calls one provider, in virtual time, through the project's own circuit, line and backoff. */
export class SimulatedClient {
  readonly #clock: VirtualClock
  readonly #random: () => number
  readonly #retries: Retries
  readonly #circuit: Circuit | FormerCircuit | undefined
  readonly #budget: RetryBudget | undefined
  /** Attempts that reached the provider, by when they began. */
  readonly attempts: number[] = []
  readonly ended: Ended[] = []
  openings = 0

  constructor(name: ClientName, clock: VirtualClock, random: () => number) {
    this.#clock = clock
    this.#random = random
    this.#retries = { defaults: landed, former, 'undici retry': undici }[name]
    if (name === 'former') this.#circuit = new FormerCircuit(clock)
    if (name === 'defaults') {
      if (landed.budget !== false) this.#budget = new RetryBudget(landed.budget, clock.now())
      const store = localCircuits(1, clock)
      store.onChange((change) => {
        if (change.type === 'circuit' && change.event.to === 'open') this.openings += 1
      })
      this.#circuit = store.circuit('provider', resolveCircuitBreakerOptions({}).policy)
    }
  }

  get opened(): number {
    return this.#circuit instanceof FormerCircuit ? this.#circuit.openings : this.openings
  }

  call(provider: Provider): void {
    const call = { startedAt: this.#clock.now(), provider, previousMs: 0, paid: false, waitedMs: 0 }
    this.#attempt(call, 1)
  }

  #attempt(call: PlayedCall, attempt: number): void {
    const circuit = this.#circuit
    const send = (granted: Granted): void => {
      this.attempts.push(this.#clock.now())
      const generation = circuit?.generation ?? 0
      call.provider(({ ok, afterMs }) => {
        this.#clock.after(afterMs, () => {
          if (circuit instanceof FormerCircuit) circuit.record(generation, !ok, granted.kind === 'probe')
          else if (granted.kind === 'probe') circuit?.report(granted, ok ? 'ok' : 'fail')
          else circuit?.record(generation, ok ? 'ok' : 'fail', false)
          if (attempt === 1) this.#budget?.called(this.#clock.now())
          if (ok) this.#budget?.succeeded(call.paid)
          if (ok || attempt >= this.#retries.maxAttempts) this.#end(call.startedAt, ok, false)
          else this.#again(call, attempt)
        })
      })
    }
    const admission: Admission =
      circuit === undefined || circuit.passing
        ? { kind: 'go' }
        : (circuit.admit(this.#clock.now()) as Admission)
    // successes are counted at this time, as the interceptor sets it
    if (circuit !== undefined && 'lastUsedAt' in circuit) circuit.lastUsedAt = this.#clock.now()
    if (admission.kind !== 'refused') return send(admission)
    // an open circuit ends the retries
    const refused = (): void => {
      if (call.paid) this.#budget?.giveBack()
      this.#end(call.startedAt, false, true)
    }
    if (circuit === undefined || circuit instanceof FormerCircuit) return refused()
    const waiter = { call, deadline: Infinity, goes: send, refused }
    if (circuit.line.join(waiter, admission) === undefined) refused()
  }

  /** The next turn of a call that failed: an attempt, or where the budget is empty, a wait for the one after it. */
  #again(call: PlayedCall, turn: number): void {
    call.previousMs = backoffMs(this.#retries, turn, this.#random(), call.previousMs)
    const pays = (): boolean => this.#budget?.tryTake(this.#clock.now()) ?? true
    const early = pays()
    this.#clock.after(call.previousMs + 1, () => {
      if (early || pays()) {
        call.paid = true
        this.#attempt(call, turn + 1)
      } else if (turn + 1 < this.#retries.maxAttempts) this.#again(call, turn + 1)
      else this.#end(call.startedAt, false, false)
    })
  }

  #end(startedAt: number, ok: boolean, refused: boolean): void {
    this.ended.push({ ok, startedAt, ms: this.#clock.now() - startedAt, refused })
  }
}
