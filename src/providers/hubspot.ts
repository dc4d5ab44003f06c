export { createHubSpotAgent, type HubSpotAgentOptions } from './hubspot/agent.ts'
export { createHubSpotClient, HubSpotClient, type HubSpotClientOptions } from './hubspot/client.ts'
export { preset } from './hubspot/preset.ts'
export { type HubSpotWebhookOptions, verifyHubSpotWebhook } from './hubspot/webhook.ts'
export type { HubSpotObjectRef } from './hubspot/api-version.ts'
export type { HubSpotObjects } from './hubspot/objects.ts'
export type {
  HubSpotAssociation,
  HubSpotBatchError,
  HubSpotBatchResult,
  HubSpotMemberships,
  HubSpotObject,
  HubSpotObjectUpsert,
  HubSpotProperties,
  HubSpotSearch,
  HubSpotSearchResult,
  HubSpotUpsert,
} from './hubspot/types.ts'
export type { Token } from './kit/client/credential.ts'
export type { ProviderPreset } from './kit/policy/preset.ts'
export type { CloseOptions, ProviderAgent } from './kit/agent/provider-agent.ts'
export type {
  CallInit,
  ProviderClient,
  ProviderReplayOptions,
  SendJson,
} from './kit/client/provider-client.ts'
export type { ProviderOptions } from './kit/agent/provider.ts'
export type { Found, Sought } from './kit/settle/settle.ts'
export type { AddressedDelivery, WebhookDelivery } from './kit/webhook/delivery.ts'
export { type WebhookRefusal, WebhookSignatureError } from './kit/webhook/error.ts'
export type { WebhookSecret, WebhookTimeOptions } from './kit/webhook/options.ts'
