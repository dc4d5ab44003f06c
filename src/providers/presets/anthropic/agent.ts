import { ProviderAgent } from '../../kit/agent/provider-agent.ts'
import { splitOptions } from '../../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const anthropicProvider: Provider = {
  title: 'Anthropic',
  preset,
  baseUrl: 'https://api.anthropic.com',
  origin: /^https:\/\/api\.anthropic\.com$/,
  agent: agentOptions(32, preset),
}

/**
 * An undici Agent for Anthropic: the preset's stack, at most 32 requests in flight, and only for `api.anthropic.com`.
 * Turn the retries of an SDK on it off.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createAnthropicAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(anthropicProvider, splitOptions('createAnthropicAgent', {}, options).rest)
}
