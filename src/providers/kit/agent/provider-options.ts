import type { Dispatcher } from 'undici'
import { checkNames, type Checks, checkValues, optional } from '../../../checks.ts'
import { baseUrlOption } from '../../../http/url/base-url.ts'
import { dispatcherOption } from '../../../options.ts'
import { resilienceChecks, type ResiliencePolicy } from '../../../stack/options.ts'
import type { ProviderOptions } from './provider.ts'

interface ProviderPolicy extends ResiliencePolicy {
  readonly baseUrl: URL | undefined
  readonly dispatcher: Dispatcher | undefined
}

/** The options of every provider's Agent and client: each with its bound and its default. */
export const providerChecks: Checks<ProviderOptions, ProviderPolicy> = {
  ...resilienceChecks,
  baseUrl: optional(baseUrlOption),
  dispatcher: optional(dispatcherOption),
}

/**
 * Checks the names of a factory's options, and the values of its own ones, which are credentials and the like.
 *
 * @returns its own, and the rest as it was given: the Agent lays it over the preset
 * @throws TypeError, RangeError naming option, bound and value
 */
export function splitOptions<Own, OwnPolicy>(
  factory: string,
  ownChecks: Checks<Own, OwnPolicy>,
  options: Own & ProviderOptions,
): { readonly own: OwnPolicy; readonly rest: ProviderOptions } {
  checkNames(factory, { ...providerChecks, ...ownChecks }, options)
  const rest = Object.entries(options).filter(([name]) => !Object.hasOwn(ownChecks, name))
  return { own: checkValues(ownChecks, options), rest: Object.fromEntries(rest) }
}
