import { ProviderAgent } from '../kit/agent/provider-agent.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const mailchimpProvider: Provider = {
  title: 'Mailchimp',
  preset,
  // the client puts its data centre in
  baseUrl: 'https://us1.api.mailchimp.com/3.0',
  origin: /^https:\/\/[a-z]{2}\d{1,3}\.api\.mailchimp\.com$/,
  // ten per account are allowed; two are left to whoever else uses it
  agent: agentOptions(8, preset),
}

/**
 * An undici Agent for Mailchimp Marketing: the preset's stack, at most 8 requests in flight per data centre, and only
 * for `<dc>.api.mailchimp.com`.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createMailchimpAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(mailchimpProvider, splitOptions('createMailchimpAgent', {}, options).rest)
}
