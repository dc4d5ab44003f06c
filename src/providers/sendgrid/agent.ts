import { ProviderAgent } from '../kit/agent/provider-agent.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const sendGridProvider: Provider = {
  title: 'SendGrid',
  preset,
  baseUrl: 'https://api.sendgrid.com',
  origin: /^https:\/\/api(\.eu)?\.sendgrid\.com$/,
  agent: agentOptions(16, preset),
}

/**
 * An undici Agent for SendGrid: the preset's stack, at most 16 requests in flight, and only for `api.sendgrid.com` and
 * `api.eu.sendgrid.com`.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createSendGridAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(sendGridProvider, splitOptions('createSendGridAgent', {}, options).rest)
}
