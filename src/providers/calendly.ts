export { createCalendlyAgent } from './calendly/agent.ts'
export { CalendlyClient, type CalendlyClientOptions, createCalendlyClient } from './calendly/client.ts'
export { preset } from './calendly/preset.ts'
export { type CalendlyWebhookOptions, verifyCalendlyWebhook } from './calendly/webhook.ts'
export type {
  CalendlyAvailableTime,
  CalendlyBooking,
  CalendlyEvent,
  CalendlyEventQuery,
  CalendlyEventType,
  CalendlyEventTypeQuery,
  CalendlyInvitee,
  CalendlyInviteeQuery,
  CalendlyNewSubscription,
  CalendlyPage,
  CalendlySchedulingLink,
  CalendlySubscription,
  CalendlySubscriptionQuery,
  CalendlyTimesQuery,
  CalendlyUser,
} from './calendly/types.ts'
export type { Token } from './kit/client/credential.ts'
export type { ProviderPreset } from './kit/policy/preset.ts'
export type { CloseOptions, ProviderAgent } from './kit/agent/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './kit/client/provider-client.ts'
export type { ProviderOptions } from './kit/agent/provider.ts'
export type { Found, Sought } from './kit/settle/settle.ts'
export type { WebhookDelivery } from './kit/webhook/delivery.ts'
export { type WebhookRefusal, WebhookSignatureError } from './kit/webhook/error.ts'
export type { WebhookSecret, WebhookTimeOptions } from './kit/webhook/options.ts'
