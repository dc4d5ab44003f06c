import type { CircuitBackend, Scheduler } from './backend.ts'
import type { Admission, Circuit, Probe } from './circuit.ts'
import { makeRequest, type Sent } from './exchange.ts'
import type { ProbeResult, SyncStatus, View } from './machine.ts'

/** What a reply says of the circuit, whatever was asked. */
export interface Word {
  readonly view: View
  readonly status: SyncStatus
  readonly serverMs: number
}

/** What becomes of the replies. */
export interface ProbeListener {
  heard(sent: Sent, reply: Word): void
  lost(circuit: Circuit, error: Error): void
  /** Work that a flush or a close has to wait for. */
  track(task: Promise<void>): void
}

/** The longest that a process waits before it asks for a probe again, in milliseconds: a lease may end unannounced. */
const ASK_AGAIN_MS = 1_000

/** Asks the store for probes, keeps their leases, and says what came of them. */
export class SharedProbes {
  readonly #backend: CircuitBackend
  readonly #scheduler: Scheduler
  readonly #by: string
  readonly #listener: ProbeListener
  #tokens = 0

  constructor(backend: CircuitBackend, scheduler: Scheduler, by: string, listener: ProbeListener) {
    this.#backend = backend
    this.#scheduler = scheduler
    this.#by = by
    this.#listener = listener
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
      this.#listener.heard(sent, reply)
      if (reply.result === 'go') return undefined
      if (reply.result === 'granted') return { token, shared: true, startedAt: now }
      const wait = Math.min(reply.retryInMs, ASK_AGAIN_MS) * (1 + 0.1 * this.#scheduler.random())
      shared.askAt = this.#scheduler.now() + wait
      return { retryAfterMs: Math.max(1, Math.ceil(wait)) }
    } catch (error) {
      this.#listener.lost(circuit, error as Error)
      // it may have been granted all the same: without this its slot would be taken until the lease ends
      this.#report(circuit, token, 'void')
      return await circuit.admit(this.#scheduler.now())
    } finally {
      shared.acquiring = false
    }
  }

  settle(circuit: Circuit, probe: Probe, result: ProbeResult): void {
    if (result === 'void' && circuit.shared !== undefined) circuit.shared.askAt = 0
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

  #follow(sent: Sent, reply: Promise<Word>): void {
    this.#listener.track(
      reply.then(
        (word) => this.#listener.heard(sent, word),
        (error: unknown) => this.#listener.lost(sent.circuit, error as Error),
      ),
    )
  }
}
