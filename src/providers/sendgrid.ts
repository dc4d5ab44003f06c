export { createSendGridAgent } from './sendgrid/agent.ts'
export { createSendGridClient, SendGridClient, type SendGridClientOptions } from './sendgrid/client.ts'
export { preset } from './sendgrid/preset.ts'
export { type SendGridWebhookOptions, verifySendGridWebhook } from './sendgrid/webhook.ts'
export type {
  SendGridAddress,
  SendGridContact,
  SendGridFoundContact,
  SendGridList,
  SendGridMessage,
  SendGridPersonalization,
  SendGridValidation,
} from './sendgrid/types.ts'
export type { ProviderPreset } from './kit/policy/preset.ts'
export type { CloseOptions, ProviderAgent } from './kit/agent/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './kit/client/provider-client.ts'
export type { ProviderOptions } from './kit/agent/provider.ts'
export type { Found, Sought } from './kit/settle/settle.ts'
export type { WebhookDelivery } from './kit/webhook/delivery.ts'
export { type WebhookRefusal, WebhookSignatureError } from './kit/webhook/error.ts'
export type { WebhookSecret, WebhookTimeOptions } from './kit/webhook/options.ts'
