import { ProviderAgent } from '../kit/agent/provider-agent.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const acuityProvider: Provider = {
  title: 'Acuity Scheduling',
  preset,
  baseUrl: 'https://acuityscheduling.com/api/v1',
  origin: /^https:\/\/acuityscheduling\.com$/,
  // 20 at once are said to be allowed to all processes of the account together
  agent: agentOptions(8, preset),
}

/**
 * An undici Agent for Acuity Scheduling: the preset's stack, at most 8 requests in flight, and only for
 * `acuityscheduling.com`.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createAcuityAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(acuityProvider, splitOptions('createAcuityAgent', {}, options).rest)
}
