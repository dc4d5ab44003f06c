export { createCalComAgent } from './cal-com/agent.ts'
export { CalComClient, type CalComClientOptions, createCalComClient } from './cal-com/client.ts'
export { preset } from './cal-com/preset.ts'
export { type CalComWebhookOptions, verifyCalComWebhook } from './cal-com/webhook.ts'
export type {
  CalComBooking,
  CalComBookingQuery,
  CalComEventType,
  CalComEventTypeQuery,
  CalComNewBooking,
  CalComPage,
  CalComPagination,
  CalComReschedule,
  CalComReservation,
  CalComSlots,
  CalComSlotsQuery,
  CalComUser,
} from './cal-com/types.ts'
export type { Token } from './kit/client/credential.ts'
export type { ProviderPreset } from './kit/policy/preset.ts'
export type { CloseOptions, ProviderAgent } from './kit/agent/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './kit/client/provider-client.ts'
export type { ProviderOptions } from './kit/agent/provider.ts'
export type { Found, Sought } from './kit/settle/settle.ts'
export type { WebhookDelivery } from './kit/webhook/delivery.ts'
export { type WebhookRefusal, WebhookSignatureError } from './kit/webhook/error.ts'
export type { WebhookSecret } from './kit/webhook/options.ts'
