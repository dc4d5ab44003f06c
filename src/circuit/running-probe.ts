import { type IntegrationErrorContext, RequestTimeoutError, subjectOf } from '../errors.ts'
import type { Probe } from './admission.ts'
import type { Circuit } from './circuit.ts'
import type { ProbeResult } from './machine/machine.ts'

/** What the probe's owner is asked and told. */
export interface ProbeOwner {
  /** The call, for the error of a probe that takes too long. */
  errorContext(): IntegrationErrorContext
  /** The probe took longer than `probeTimeoutMs`: it has failed, and its attempt is to be aborted with this error. */
  onTimeout(error: RequestTimeoutError): void
}

/** How often a lease is renewed in its time: one renewal may be lost, and it still does not end. */
const RENEWALS = 3

/**
 * A probe under way. Keeps its lease, so that a slow one keeps its slot and that of a dead process soon ends; fails it
 * after `probeTimeoutMs`; and tells the circuit once what came of it.
 */
export class RunningProbe {
  readonly #circuit: Circuit
  readonly #probe: Probe
  readonly #owner: ProbeOwner
  readonly #cancelTimeout: () => void
  #cancelRenewal: () => void
  #ended = false

  constructor(circuit: Circuit, probe: Probe, owner: ProbeOwner) {
    this.#circuit = circuit
    this.#probe = probe
    this.#owner = owner
    const { clock, policy } = circuit
    const left = policy.probeTimeoutMs - (clock.now() - probe.startedAt)
    // its caller waits for it, so it keeps the process alive
    this.#cancelTimeout = clock.after(Math.max(1, left), () => this.#expire())
    this.#cancelRenewal = this.#renewLater()
  }

  /** What came of it; the first call counts. A slow success is a failure. */
  end(result: ProbeResult, slow: boolean): void {
    if (this.#ended) return
    this.#ended = true
    this.#cancelTimeout()
    this.#cancelRenewal()
    this.#circuit.report(this.#probe, result === 'ok' && slow ? 'fail' : result)
  }

  #renewLater(): () => void {
    const { clock, policy } = this.#circuit
    const renew = (): void => {
      this.#circuit.renew(this.#probe)
      this.#cancelRenewal = this.#renewLater()
    }
    return clock.after(Math.max(1, Math.floor(policy.leaseMs / RENEWALS)), renew, { unref: true })
  }

  #expire(): void {
    const { key, policy } = this.#circuit
    const timeoutMs = policy.probeTimeoutMs
    const context = { ...this.#owner.errorContext(), scope: 'attempt', timeoutMs } as const
    const error = new RequestTimeoutError(
      `${subjectOf(context)}: the probe of the circuit ${key} timed out`,
      context,
    )
    this.end('fail', false)
    this.#owner.onTimeout(error)
  }
}
