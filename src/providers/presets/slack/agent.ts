import { ProviderAgent } from '../../kit/agent/provider-agent.ts'
import { splitOptions } from '../../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const slackProvider: Provider = {
  title: 'Slack',
  preset,
  baseUrl: 'https://slack.com/api',
  origin: /^https:\/\/(slack|www\.slack|files\.slack)\.com$/,
  agent: agentOptions(8, preset),
}

/**
 * An undici Agent for Slack: the preset's stack, at most 8 requests in flight, and only for `slack.com` and
 * `files.slack.com`.
 * Turn the retries of an SDK on it off.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createSlackAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(slackProvider, splitOptions('createSlackAgent', {}, options).rest)
}
