import { CircuitBreakerOpenError, type IntegrationErrorContext } from '../errors.ts'
import type { Admission, Circuit, Probe, Refusal } from './circuit.ts'

export function isRefusal(admission: Admission): admission is Refusal {
  return admission !== undefined && 'retryAfterMs' in admission
}

export function isProbe(admission: Admission): admission is Probe {
  return admission !== undefined && 'token' in admission
}

/** The error of a call that the circuit did not let through. */
export function refusalError(
  circuit: Circuit,
  refusal: Refusal,
  context: IntegrationErrorContext,
): CircuitBreakerOpenError {
  const { key } = circuit
  const { retryAfterMs } = refusal
  const { override, phase } = circuit.machine
  const why =
    override === 'isolated'
      ? 'is isolated'
      : phase.state === 'half-open'
        ? 'is half-open and its probes are under way'
        : `is open for another ${retryAfterMs} ms`
  return new CircuitBreakerOpenError(`the circuit ${key} ${why}`, { ...context, key, retryAfterMs })
}
