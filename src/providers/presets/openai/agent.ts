import { ProviderAgent } from '../../kit/agent/provider-agent.ts'
import { splitOptions } from '../../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const openAIProvider: Provider = {
  title: 'OpenAI',
  preset,
  baseUrl: 'https://api.openai.com/v1',
  origin: /^https:\/\/(eu\.)?api\.openai\.com$/,
  agent: agentOptions(32, preset),
}

/**
 * An undici Agent for OpenAI: the preset's stack, at most 32 requests in flight, and only for `api.openai.com` and
 * its European sibling.
 * Turn the retries of an SDK on it off.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createOpenAIAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(openAIProvider, splitOptions('createOpenAIAgent', {}, options).rest)
}
