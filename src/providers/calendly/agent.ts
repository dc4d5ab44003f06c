import { ProviderAgent } from '../kit/agent/provider-agent.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const calendlyProvider: Provider = {
  title: 'Calendly',
  preset,
  baseUrl: 'https://api.calendly.com',
  origin: /^https:\/\/api\.calendly\.com$/,
  agent: agentOptions(8, preset),
}

/**
 * An undici Agent for Calendly: the preset's stack, at most 8 requests in flight, and only for `api.calendly.com`.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createCalendlyAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(calendlyProvider, splitOptions('createCalendlyAgent', {}, options).rest)
}
