export { createSendGridAgent } from './sendgrid/agent.ts'
export { createSendGridClient, SendGridClient, type SendGridClientOptions } from './sendgrid/client.ts'
export { preset } from './sendgrid/preset.ts'
export type {
  SendGridAddress,
  SendGridContact,
  SendGridMessage,
  SendGridPersonalization,
} from './sendgrid/types.ts'
export type { ProviderPreset } from './shared/preset.ts'
export type { CloseOptions, ProviderAgent } from './shared/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './shared/provider-client.ts'
export type { ProviderOptions } from './shared/provider.ts'
