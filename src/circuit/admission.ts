import { CircuitBreakerOpenError, type IntegrationErrorContext, subjectOf } from '../errors.ts'
import type { Machine } from './machine/state.ts'

/** The right to one attempt through a half-open circuit; `Circuit.report` must be told what came of it. */
export interface Probe {
  readonly kind: 'probe'
  readonly token: string
  /** Granted by the store that processes share, not by this process alone. */
  readonly shared: boolean
  /** From before the store was asked, so that the lease there cannot end earlier than it does here. */
  readonly startedAt: number
}

export interface Refusal {
  readonly kind: 'refused'
  /** When a call may be let through, in milliseconds, at least 1. */
  readonly retryAfterMs: number
}

/** The right to an attempt: `go` where the circuit is closed. */
export type Granted = { readonly kind: 'go' } | Probe

/** Whether a call may go through a circuit. */
export type Admission = Granted | Refusal

/** One for all: letting a call through allocates nothing. */
export const go: Granted = { kind: 'go' }

export function refuse(retryAfterMs: number): Refusal {
  return { kind: 'refused', retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)) }
}

/** The error of a call that the circuit did not let through. */
export function refusalError(
  { key, machine: { override, phase } }: { readonly key: string; readonly machine: Machine },
  { retryAfterMs }: Refusal,
  context: IntegrationErrorContext,
): CircuitBreakerOpenError {
  const why =
    override === 'isolated'
      ? 'is isolated'
      : phase.state === 'half-open'
        ? 'is half-open and its probes are under way'
        : 'is open'
  return new CircuitBreakerOpenError(`${subjectOf(context)}: the circuit ${key} ${why}`, {
    ...context,
    key,
    retryAfterMs,
  })
}
