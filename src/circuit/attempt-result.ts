import { isCircuitFailure, type Outcome } from '../http/outcome.ts'
import type { Reporter } from '../telemetry/reporter.ts'
import type { ProbeResult } from './machine/machine.ts'
import type { CircuitBreakerSettings } from './options.ts'

/**
 * What the outcome of an attempt says of the circuit: what the user's `isFailure` says; without it, and where it throws,
 * whether it is a failure. An error that is none, and that no answer is behind, says nothing of the server (a closed
 * dispatcher, a bad argument, the refusal of a circuit within): it is void.
 */
export function attemptResult(
  outcome: Outcome,
  { isFailure }: CircuitBreakerSettings,
  reporter: Reporter,
): ProbeResult {
  const byDefault = isCircuitFailure(outcome) ? 'fail' : outcome.statusCode === undefined ? 'void' : 'ok'
  return isFailure === undefined
    ? byDefault
    : reporter.guard('isFailure', byDefault, saidOf, isFailure, outcome)
}

function saidOf(isFailure: (outcome: Outcome) => boolean, outcome: Outcome): ProbeResult {
  return isFailure(outcome) ? 'fail' : 'ok'
}
