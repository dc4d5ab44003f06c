import { ProviderAgent } from '../../kit/agent/provider-agent.ts'
import { splitOptions } from '../../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const twilioProvider: Provider = {
  title: 'Twilio',
  preset,
  baseUrl: 'https://api.twilio.com',
  origin: /^https:\/\/(?:[a-z]+|flex-api)(\.[a-z0-9]+){0,2}\.twilio\.com$/,
  agent: agentOptions(16, preset),
}

/**
 * An undici Agent for Twilio: the preset's stack, at most 16 requests in flight, and only for `*.twilio.com`.
 * Turn the retries of an SDK on it off.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createTwilioAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(twilioProvider, splitOptions('createTwilioAgent', {}, options).rest)
}
