import { ProviderAgent } from '../kit/agent/provider-agent.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const calComProvider: Provider = {
  title: 'Cal.com',
  preset,
  baseUrl: 'https://api.cal.com/v2',
  // cal.eu: the instance in the European Union, with keys of its own
  origin: /^https:\/\/api\.cal\.(com|eu)$/,
  // bursts are said to have locked accounts
  agent: agentOptions(3, preset),
}

/**
 * An undici Agent for Cal.com: the preset's stack, at most 3 requests in flight, and only for `api.cal.com` and
 * `api.cal.eu`, or for your own instance's origin if `baseUrl` names it.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createCalComAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(calComProvider, splitOptions('createCalComAgent', {}, options).rest)
}
