import type { Scheduler } from '../../time/clock.ts'
import { type Admission, go, type Probe, refuse } from '../admission.ts'
import type { Circuit } from '../circuit.ts'
import type { ProbeResult } from '../machine/machine.ts'
import type { CircuitBackend, ReplyHead } from './backend.ts'
import { type Exchange, makeRequest, type Sent } from './exchange.ts'

/** The longest that a process waits before it asks for a probe again, in milliseconds: a lease may end unannounced. */
const ASK_AGAIN_MS = 1_000

/** Asks the store for probes, renews their leases, and reports what came of them. */
export class SharedProbes {
  readonly #backend: CircuitBackend
  readonly #scheduler: Scheduler
  readonly #by: string
  readonly #exchange: Exchange
  #tokens = 0

  constructor(backend: CircuitBackend, scheduler: Scheduler, by: string, exchange: Exchange) {
    this.#backend = backend
    this.#scheduler = scheduler
    this.#by = by
    this.#exchange = exchange
  }

  /** Never rejects: with the store out of reach the local machine decides. */
  async acquire(circuit: Circuit, now: number): Promise<Admission> {
    const { shared } = circuit
    if (shared === undefined) return circuit.admit(now)
    const token = `${this.#by}-${(++this.#tokens).toString(36)}`
    const sent = makeRequest(circuit, this.#scheduler.now())
    shared.acquiring = true
    try {
      const reply = await this.#backend.acquire(sent.request, token, false)
      this.#exchange.onReply(sent, reply)
      if (reply.result === 'go') return go
      if (reply.result === 'granted') return { kind: 'probe', token, shared: true, startedAt: now }
      const wait = Math.min(reply.retryInMs, ASK_AGAIN_MS) * (1 + 0.1 * this.#scheduler.random())
      shared.askAt = this.#scheduler.now() + wait
      return refuse(wait)
    } catch (error) {
      this.#exchange.onFailure(circuit, error as Error)
      // the store may have granted it all the same: its slot would be taken until the lease ends
      this.#report(circuit, token, 'void')
      return await circuit.admit(this.#scheduler.now())
    } finally {
      shared.acquiring = false
    }
  }

  report(circuit: Circuit, probe: Probe, result: ProbeResult): void {
    this.#report(circuit, probe.token, result)
  }

  renew(circuit: Circuit, probe: Probe): void {
    const sent = makeRequest(circuit, this.#scheduler.now())
    this.#follow(sent, this.#backend.acquire(sent.request, probe.token, true))
  }

  #report(circuit: Circuit, token: string, result: ProbeResult): void {
    const sent = makeRequest(circuit, this.#scheduler.now())
    this.#follow(sent, this.#backend.report(sent.request, token, result))
  }

  #follow(sent: Sent, reply: Promise<ReplyHead>): void {
    this.#exchange.track(
      reply.then(
        (head) => this.#exchange.onReply(sent, head),
        (error: unknown) => this.#exchange.onFailure(sent.circuit, error as Error),
      ),
    )
  }
}
