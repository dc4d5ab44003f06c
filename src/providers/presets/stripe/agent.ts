import { ProviderAgent } from '../../kit/agent/provider-agent.ts'
import { splitOptions } from '../../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const stripeProvider: Provider = {
  title: 'Stripe',
  preset,
  baseUrl: 'https://api.stripe.com',
  origin: /^https:\/\/(api|files)\.stripe\.com$/,
  agent: agentOptions(16, preset),
}

/**
 * An undici Agent for Stripe: the preset's stack, at most 16 requests in flight, and only for `api.stripe.com` and
 * `files.stripe.com`.
 * Turn the retries of an SDK on it off.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createStripeAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(stripeProvider, splitOptions('createStripeAgent', {}, options).rest)
}
