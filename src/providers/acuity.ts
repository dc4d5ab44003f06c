export { createAcuityAgent } from './acuity/agent.ts'
export { AcuityClient, type AcuityClientOptions, createAcuityClient } from './acuity/client.ts'
export { preset } from './acuity/preset.ts'
export { type AcuityWebhookOptions, verifyAcuityWebhook } from './acuity/webhook.ts'
export type {
  AcuityAppointment,
  AcuityAppointmentQuery,
  AcuityAppointmentType,
  AcuityBlock,
  AcuityBookingOptions,
  AcuityCalendar,
  AcuityClientRecord,
  AcuityDatesQuery,
  AcuityNewAppointment,
  AcuityNewBlock,
  AcuityReschedule,
  AcuityTime,
  AcuityTimeCheck,
  AcuityTimesQuery,
} from './acuity/types.ts'
export type { Token } from './kit/client/credential.ts'
export type { ProviderPreset } from './kit/policy/preset.ts'
export type { CloseOptions, ProviderAgent } from './kit/agent/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './kit/client/provider-client.ts'
export type { ProviderOptions } from './kit/agent/provider.ts'
export type { Found, Sought } from './kit/settle/settle.ts'
export type { WebhookDelivery } from './kit/webhook/delivery.ts'
export { type WebhookRefusal, WebhookSignatureError } from './kit/webhook/error.ts'
export type { WebhookSecret } from './kit/webhook/options.ts'
