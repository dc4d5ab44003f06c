import { ProviderAgent } from '../shared/provider-agent.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { preset } from './preset.ts'

export const calComProvider: Provider = {
  title: 'Cal.com',
  preset,
  baseUrl: 'https://api.cal.com/v2',
  origin: /^https:\/\/api\.cal\.com$/,
  agent: agentOptions(8, preset),
}

/**
 * An undici Agent for Cal.com: the preset's stack, at most 8 requests in flight, and only for `api.cal.com`, or for
 * your own instance's origin if `baseUrl` names it.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createCalComAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(calComProvider, splitOptions('createCalComAgent', options, []))
}
