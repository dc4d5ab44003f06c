import type { CallRequest } from '../../call/call-request.ts'
import type { Verdict } from '../../call/outcome.ts'
import type { ClassifiedResponse } from '../../classification/options.ts'
import type { ResilienceOptions } from '../../resilience.ts'
import { idempotentMethods } from '../../retry/options.ts'

/** What a preset always says; the rest of `ResilienceOptions` is the application's. */
type PresetFields =
  | 'name'
  | 'retry'
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
  return !idempotentMethods.includes(request.method)
}

/** `isIdempotent` for the POST (and other) routes that a provider's page lists as safe to send twice. */
export function retryableRoutes(
  routes: readonly { readonly method: string; readonly path: RegExp }[],
): (request: CallRequest) => boolean {
  return ({ method, path }) => {
    const pathname = path.split('?', 1)[0] ?? ''
    return routes.some((route) => route.method === method && route.path.test(pathname))
  }
}
