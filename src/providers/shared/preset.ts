import type { CallRequest } from '../../call/call-request.ts'
import type { ResilienceOptions } from '../../resilience.ts'

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

/** Freezes a preset and the option objects in it. */
export function definePreset(preset: ProviderPreset): ProviderPreset {
  for (const value of Object.values(preset)) if (typeof value === 'object') Object.freeze(value)
  return Object.freeze(preset)
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
