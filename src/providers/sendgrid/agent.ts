import { ProviderAgent } from '../shared/provider-agent.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
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
  return new ProviderAgent(sendGridProvider, splitOptions('createSendGridAgent', options, []))
}
