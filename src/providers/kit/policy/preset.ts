import type { ClassifiedResponse } from '../../../classification/options.ts'
import { isIdempotentMethod } from '../../../http/idempotent-methods.ts'
import type { Verdict } from '../../../http/outcome.ts'
import type { ResilienceOptions } from '../../../resilience.ts'

/** What a preset always says; the rest of `ResilienceOptions` is the application's. */
type PresetFields =
  | 'integration'
  | 'retry'
  | 'rateLimit'
  | 'circuitBreaker'
  | 'deadLetter'
  | 'attemptTimeoutMs'
  | 'totalTimeoutMs'
  | 'classify'
  | 'inspectBody'

/**
 * The resilience options of one provider: plain data and a few pure functions, to be printed, spread and overridden.
 * Frozen, since all stacks of a process share it.
 */
export type ProviderPreset = {
  readonly [Field in PresetFields]-?: Exclude<ResilienceOptions[Field], undefined | false>
}

/**
 * When a provider's circuit opens, and for how long: as the package's own defaults, for the reasons in
 * docs/circuit-breaker.md. A restart on the provider's side, or a burst of broken connections, costs no call.
 */
export const usualCircuit = { failureThreshold: 10, windowMs: 10_000, timeoutMs: 1_000 } as const

/**
 * Freezes a preset and the option objects in it. Its `classify` also says of a 5xx to what is not safe to send twice
 * that nobody knows whether it was done, so that no replay does it a second time by itself.
 */
export function definePreset(preset: ProviderPreset): ProviderPreset {
  const { classify, retry } = preset
  const complete: ProviderPreset = {
    ...preset,
    classify: (response) => {
      const verdict = classify(response)
      if (verdict === undefined || !leavesDoubt(response, verdict)) return verdict
      return retry.isIdempotent?.(response.request) === true ? verdict : { ...verdict, delivery: 'unknown' }
    },
  }
  for (const value of Object.values(complete)) if (typeof value === 'object') Object.freeze(value)
  return Object.freeze(complete)
}

function leavesDoubt({ statusCode, request }: ClassifiedResponse, verdict: Verdict): boolean {
  if (statusCode < 500 || verdict.kind === 'rate-limited' || verdict.safeToRetry === true) return false
  return !isIdempotentMethod(request.method)
}
