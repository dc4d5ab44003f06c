import { objectOption } from '../../options.ts'
import { providerOptionNames } from './provider-agent.ts'
import type { ProviderOptions } from './provider.ts'

/**
 * Checks the names of a factory's options and takes its own ones (credentials and the like) off, so that what is left
 * is for every Agent.
 *
 * @throws TypeError for an option that does not exist
 */
export function splitOptions<Own extends object>(
  factory: string,
  options: Own & ProviderOptions,
  own: readonly (keyof Own & string)[],
): ProviderOptions {
  objectOption(factory, options, [...own, ...providerOptionNames])
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => !(own as readonly string[]).includes(name)),
  )
}
