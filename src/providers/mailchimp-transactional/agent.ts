import type { CallRequest } from '../../call/call-request.ts'
import { type Checks, optional } from '../../checks.ts'
import { ProviderAgent } from '../kit/agent/provider-agent.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../kit/agent/provider.ts'
import { credentialOption } from '../kit/client/credential.ts'
import { credentialHash } from '../kit/policy/circuit-key.ts'
import { attachKey } from './attach-key.ts'
import { transactionalPreset as preset } from './preset.ts'

export interface MailchimpTransactionalAgentOptions extends ProviderOptions {
  /**
   * The API key, to be put into each body below the stack; the requests themselves then carry none, and their dead
   * letters can be replayed. Default: none, the requests bring `key` themselves.
   */
  apiKey?: string | undefined
}

export function mailchimpTransactionalProvider(apiKey: string | undefined): Provider {
  const provider: Provider = {
    title: 'Mailchimp Transactional',
    preset,
    baseUrl: 'https://mandrillapp.com/api/1.0',
    origin: /^https:\/\/mandrillapp\.com$/,
    agent: agentOptions(10, preset),
  }
  if (apiKey === undefined) return provider
  const hash = credentialHash(apiKey)
  const key = (request: CallRequest): string => `${request.origin}#${hash}`
  return {
    ...provider,
    // the key is not in a header, where limits and the circuits of other presets read it
    preset: {
      ...preset,
      rateLimit: { ...preset.rateLimit, key },
      circuitBreaker: { ...preset.circuitBreaker, key },
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
  const { own, rest } = splitOptions('createMailchimpTransactionalAgent', agentChecks, options)
  return new ProviderAgent(mailchimpTransactionalProvider(own.apiKey), rest)
}

const agentChecks: Checks<
  Omit<MailchimpTransactionalAgentOptions, keyof ProviderOptions>,
  { readonly apiKey: string | undefined }
> = { apiKey: optional(credentialOption) }
