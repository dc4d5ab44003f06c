import { type Checks, optional } from '../../checks.ts'
import { ProviderAgent } from '../kit/agent/provider-agent.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../kit/agent/provider.ts'
import { timeZoneOption } from './daily-reset.ts'
import { preset, presetFor } from './preset.ts'

export interface HubSpotAgentOptions extends ProviderOptions {
  /** The account's time zone (IANA), in which its daily limit ends at midnight. Default: unknown, 24 hours are waited. */
  timeZone?: string | undefined
}

export function hubSpotProvider(timeZone: string | undefined): Provider {
  return {
    title: 'HubSpot',
    preset: timeZone === undefined ? preset : presetFor(timeZone),
    baseUrl: 'https://api.hubapi.com',
    origin: /^https:\/\/api(-[a-z]+\d)?\.hubapi\.com$/,
    agent: agentOptions(16, preset),
  }
}

/**
 * An undici Agent for HubSpot: the preset's stack, at most 16 requests in flight, and only for `api.hubapi.com` and its
 * regional siblings.
 *
 * @throws TypeError, RangeError naming option, bound and value
 * @example
 * const agent = createHubSpotAgent({ store: redisStore(redis) })
 * await fetch('https://api.hubapi.com/crm/v3/objects/contacts', { dispatcher: agent, headers: { authorization } })
 */
export function createHubSpotAgent(options: HubSpotAgentOptions = {}): ProviderAgent {
  const { own, rest } = splitOptions('createHubSpotAgent', agentChecks, options)
  return new ProviderAgent(hubSpotProvider(own.timeZone), rest)
}

const agentChecks: Checks<
  Omit<HubSpotAgentOptions, keyof ProviderOptions>,
  { readonly timeZone: string | undefined }
> = { timeZone: optional(timeZoneOption) }
