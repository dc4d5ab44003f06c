import { ProviderAgent } from '../../kit/agent/provider-agent.ts'
import { splitOptions } from '../../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const resendProvider: Provider = {
  title: 'Resend',
  preset,
  baseUrl: 'https://api.resend.com',
  origin: /^https:\/\/api\.resend\.com$/,
  agent: agentOptions(4, preset),
}

/**
 * An undici Agent for Resend: the preset's stack, at most 4 requests in flight, and only for `api.resend.com`.
 * Turn the retries of an SDK on it off.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createResendAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(resendProvider, splitOptions('createResendAgent', {}, options).rest)
}
