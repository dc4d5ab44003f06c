import { ProviderAgent } from '../../kit/agent/provider-agent.ts'
import { splitOptions } from '../../kit/agent/provider-options.ts'
import { agentOptions, type Provider, type ProviderOptions } from '../../kit/agent/provider.ts'
import { preset } from './preset.ts'

export const gitHubProvider: Provider = {
  title: 'GitHub',
  preset,
  baseUrl: 'https://api.github.com',
  origin: /^https:\/\/(api|uploads)\.github\.com$/,
  agent: agentOptions(8, preset),
}

/**
 * An undici Agent for GitHub: the preset's stack, at most 8 requests in flight, and only for `api.github.com` and
 * `uploads.github.com`.
 * Turn the retries of an SDK on it off.
 *
 * @throws TypeError, RangeError naming option, bound and value
 */
export function createGitHubAgent(options: ProviderOptions = {}): ProviderAgent {
  return new ProviderAgent(gitHubProvider, splitOptions('createGitHubAgent', {}, options).rest)
}
