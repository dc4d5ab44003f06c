export { createHubSpotAgent, type HubSpotAgentOptions } from './hubspot/agent.ts'
export { createHubSpotClient, HubSpotClient, type HubSpotClientOptions } from './hubspot/client.ts'
export { preset } from './hubspot/preset.ts'
export type {
  HubSpotBatchError,
  HubSpotBatchResult,
  HubSpotObject,
  HubSpotProperties,
  HubSpotSearch,
  HubSpotSearchResult,
  HubSpotUpsert,
} from './hubspot/types.ts'
export type { Token } from './shared/credential.ts'
export type { ProviderPreset } from './shared/preset.ts'
export type { CloseOptions, ProviderAgent } from './shared/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './shared/provider-client.ts'
export type { ProviderOptions } from './shared/provider.ts'
