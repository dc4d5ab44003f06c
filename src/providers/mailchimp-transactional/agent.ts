import { credentialOption } from '../shared/credential.ts'
import { credentialHash } from '../shared/circuit-key.ts'
import { ProviderAgent } from '../shared/provider-agent.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { attachKey } from './attach-key.ts'
import { transactionalPreset as preset } from './preset.ts'

export interface MailchimpTransactionalAgentOptions extends ProviderOptions {
  /**
   * The API key, to be put into each body below the stack; the requests themselves then carry none, and their dead
   * letters can be replayed. Default: none, the requests bring `key` themselves.
   */
  apiKey?: string
}

export function mandrillProvider(apiKey: string | undefined): Provider {
  const provider: Provider = {
    title: 'Mailchimp Transactional',
    preset,
    baseUrl: 'https://mandrillapp.com/api/1.0',
    origin: /^https:\/\/mandrillapp\.com$/,
    agent: agentOptions(10, preset),
  }
  if (apiKey === undefined) return provider
  const hash = credentialHash(credentialOption('apiKey', apiKey))
  return {
    ...provider,
    // the key is not in a header, where the hook of other presets reads it
    preset: {
      ...preset,
      circuitBreaker: { ...preset.circuitBreaker, key: (request) => `${request.origin}#${hash}` },
    },
    innermost: attachKey(apiKey),
  }
}

/**
 * An undici Agent for Mailchimp Transactional: the preset's stack, at most 10 requests in flight, and only for
 * `mandrillapp.com`.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createMailchimpTransactionalAgent(
  options: MailchimpTransactionalAgentOptions = {},
): ProviderAgent {
  const rest = splitOptions('createMailchimpTransactionalAgent', options, ['apiKey'])
  return new ProviderAgent(mandrillProvider(options.apiKey), rest)
}
